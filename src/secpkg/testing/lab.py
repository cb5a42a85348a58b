"""A whole authority for a test: no root, no daemon, no files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from secpkg.accounts.model import Account
from secpkg.authority.policy import Policy
from secpkg.runtime.embedded import EmbeddedAuthority, LocalLink
from secpkg.runtime.modules import LsaModeInitialize, ModuleDescription
from secpkg.testing.clock import FrozenClock
from secpkg.testing.scheduling import HandScheduler

Module = str | tuple[ModuleDescription, LsaModeInitialize] | LsaModeInitialize


def described(module: Module) -> str | tuple[ModuleDescription, LsaModeInitialize]:
    """A module as the runtime takes it. A bare SpLsaModeInitialize, of code that is not installed, gets a description
    of its own; it has no user half.
    """
    if isinstance(module, str | tuple):
        return module
    name = f"{getattr(module, '__module__', 'lab')}.{getattr(module, '__qualname__', 'module')}"
    return ModuleDescription(name, "not-installed", "0", b"", "", has_user_half=False), module


class LabAuthority:
    """``with LabAuthority(domain="EXAMPLE", modules=["hello"]) as lab``: pass ``authority=lab`` to Client, Server and
    ``lsa.connect``. Modules are names of installed ones, or the ``lsa_mode_initialize`` of one under test. ``clock``
    and ``entropy`` fix time and chance, so that a handshake replays byte for byte; with a `FrozenClock` the callbacks
    of packages (notifications, threads) come with `advance` alone.
    """

    def __init__(
        self,
        *,
        domain: str = "LAB",
        modules: Sequence[Module] = (),
        policy: Policy | None = None,
        primary_credentials: bool = True,
        clock: Callable[[], float] | None = None,
        entropy: Callable[[int], bytes] | None = None,
    ) -> None:
        chosen: dict[str, Callable[..., object]] = {}
        if clock is not None:
            chosen["clock"] = clock
        if entropy is not None:
            chosen["entropy"] = entropy
        self._scheduler = HandScheduler(clock) if isinstance(clock, FrozenClock) else None
        self.embedded = EmbeddedAuthority(
            domain=domain,
            modules=[described(module) for module in modules],
            policy=policy,
            primary_credentials=primary_credentials,
            scheduler=self._scheduler,
            **chosen,  # type: ignore[arg-type]  # the two callables by their names
        )

    def link(self, logon_process_name: str | None = None) -> LocalLink:
        """For `secpkg.sspi` and `secpkg.lsa`: a connection to this lab."""
        return self.embedded.link(logon_process_name)

    def add_user(
        self, name: str, *, password: str | None = None, groups: Sequence[str] = (), posix_uid: int | None = None
    ) -> Account:
        """Create an account (and its groups where they are missing) and set its password."""
        authority = self.embedded.machine.authority
        with self.embedded.lock:
            known = {group.name.casefold() for group in authority.store.groups()}
            for group in groups:
                if group.casefold() not in known:
                    authority.store.create_group(group)
            account = authority.store.create_user(
                name, groups=tuple(groups), posix_uid=posix_uid, now=authority.clock()
            )
        if password is not None:
            self.embedded.set_password(name, password)
        return account

    def set_password(self, name: str, password: str, *, must_change: bool = False) -> None:
        """Set an account's password; every package derives its own verifier."""
        self.embedded.set_password(name, password, must_change=must_change)

    def add_module(self, module: Module, *, primary_credentials: bool = True) -> None:
        """AddSecurityPackage: load one more module. SEC_E_CANNOT_INSTALL with the reason when it is broken."""
        self.embedded.add_module(described(module), primary_credentials=primary_credentials)

    def advance(self, seconds: float = 0.0) -> None:
        """Move the lab's `FrozenClock`, and call the callbacks of packages that come meanwhile. RuntimeError without
        one.
        """
        if self._scheduler is None:
            raise RuntimeError("this lab has no FrozenClock")
        with self.embedded.lock:
            self._scheduler.advance(seconds)

    def close(self) -> None:
        """End the authority: SpShutdown of every package."""
        self.embedded.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
