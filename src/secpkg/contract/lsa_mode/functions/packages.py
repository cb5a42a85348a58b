"""Other packages, being called back, and the slots that the documents withhold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from secpkg.contract.flags import (
    NotifierFlag,
    NotifierType,
    NotifyClass,
)
from secpkg.contract.values import (
    PrimaryCredential,
    ProtocolReply,
    SupplementalCredential,
)


class Packages(Protocol):
    """Other packages, and the package's own place among them."""

    def call_package(self, authentication_package: str, submit_buffer: bytes) -> Awaitable[ProtocolReply]:
        """CallPackage: the other package's LsaApCallPackage; STATUS_NO_SUCH_PACKAGE (R88).
        Page: ntsecpkg/nc-ntsecpkg-lsa_call_package.
        """
        ...

    def call_package_ex(
        self, authentication_package: str, client_buffer_base: int, submit_buffer: bytes
    ) -> Awaitable[ProtocolReply]:
        """CallPackageEx. Page: ntsecpkg/nc-ntsecpkg-lsa_call_packageex."""
        ...

    def call_package_passthrough(
        self, authentication_package: str, client_buffer_base: int, submit_buffer: bytes
    ) -> Awaitable[ProtocolReply]:
        """CallPackagePassthrough (R89). Page: ntsecpkg/nc-ntsecpkg-lsa_call_package_passthrough."""
        ...

    def free_return_buffer(self, buffer: bytes) -> Awaitable[None]:
        """FreeReturnBuffer (R90). Page: ntsecpkg/nc-ntsecpkg-lsa_free_lsa_heap."""
        ...

    def unload_package(self) -> Awaitable[None]:
        """UnloadPackage: takes the calling package out of service; always succeeds (R39). Page: legacy aa380520."""
        ...

    def update_credentials(
        self, primary: PrimaryCredential, supplemental: tuple[SupplementalCredential, ...] = ()
    ) -> Awaitable[None]:
        """UpdateCredentials: SpAcceptCredentials in every package again (R72). With LUID 0, an account name and a clear
        password, the account's password is changed, once the package has been shown the old one (ADR 0018);
        STATUS_PRIVILEGE_NOT_HELD where the operator granted the module no clear passwords. Page:
        ntsecpkg/nc-ntsecpkg-lsa_update_primary_credentials.
        """
        ...


class Notifications(Protocol):
    """Being called back."""

    def register_notification(
        self,
        function: Callable[[object], object],
        parameter: object,
        notification_type: NotifierType,
        notification_class: NotifyClass | None = None,
        flags: NotifierFlag = NotifierFlag(0),
        interval_minutes: int = 0,
        wait_event: int | None = None,
    ) -> Awaitable[int]:
        """RegisterNotification (R249-R254): ``function(parameter)``, plain or ``async def``, is called later, for no
        client; for an event it is given a `secpkg.contract.lsa_mode.events.EventNotify`. ``wait_event`` is a descriptor
        that becomes readable. Calls of one notification do not overlap, and end with the package. Returns the handle
        for `cancel_notification`. STATUS_INVALID_PARAMETER, STATUS_INSUFFICIENT_RESOURCES.
        Page: ntsecpkg/nc-ntsecpkg-lsa_register_notification.
        """
        ...

    def cancel_notification(self, notify_handle: int) -> Awaitable[None]:
        """CancelNotification: STATUS_INVALID_PARAMETER (R255). Page: ntsecpkg/nc-ntsecpkg-lsa_cancel_notification."""
        ...

    def create_thread(self, function: Callable[[object], object], parameter: object) -> Awaitable[int]:
        """CreateThread (R137): ``function(parameter)``, plain or ``async def``, runs soon, when nothing else of the
        module does; it is no thread of the system and must not block. What it raises goes to the trace. Returns its
        handle. STATUS_INSUFFICIENT_RESOURCES. Page: ntsecpkg/nc-ntsecpkg-lsa_create_thread.
        """
        ...


class Reserved(Protocol):
    """Slots that the documents reserve, retire or leave unimplemented: they answer an error (R118)."""

    def save_supplemental_credentials(
        self, logon_id: int, supplemental_credentials: bytes, synchronous: bool
    ) -> Awaitable[None]:
        """SaveSupplementalCredentials: obsolete. Header NTSecPKG.h."""
        ...

    def dummy_function6(self, buffer: bytearray) -> Awaitable[None]:
        """DummyFunction6: reserved. Header NTSecPKG.h."""
        ...

    def dummy_function7(self, buffer: bytearray) -> Awaitable[None]:
        """DummyFunction7: reserved. Header NTSecPKG.h."""
        ...
