"""What a package is told that registered for events (RegisterNotification with NOTIFY_EVENT, R254)."""

from __future__ import annotations

from secpkg.contract.flags import NotifyClass, PackageChange
from secpkg.contract.values import Value


class PackageChangeEvent(Value, frozen=True):
    """``SECPKG_EVENT_PACKAGE_CHANGE`` (R252). Header NTSecPKG.h."""

    change_type: PackageChange
    package_id: int
    package_name: str


class EventNotify(Value, frozen=True):
    """``SECPKG_EVENT_NOTIFY``. ``package_parameter`` is what was registered. Page:
    ntsecpkg/ns-ntsecpkg-secpkg_event_notify.
    """

    event_class: NotifyClass
    event_data: PackageChangeEvent
    package_parameter: object = None
