"""What the command line says of an expected failure: one line what is wrong, one line what to do next.

Exit codes: 1 refused or failed, 2 wrong use (click's own), 3 the authority cannot be reached.
"""

from __future__ import annotations

from typing import IO, Any, Final

import click

from secpkg.cli.output import clean
from secpkg.contract.status import SecurityError, Status

FAILED: Final = 1
UNREACHABLE: Final = 3

_REASONS: Final = {
    "no_such_module": "install the distribution that offers the module where the authority runs, then add it again",
    "module_offered_twice": "uninstall all but one of the distributions that offer a module of this name",
    "no_package_keeps_a_verifier": "let a package see passwords: secpkg packages add MODULE --primary-credentials",
    "password_too_short": "choose a longer password",
    "module_is_inbox": "inbox packages cannot be added, removed, replaced or wrapped",
    "authority_address": "an address is unix:/path, with an absolute path, or embedded:",
    "authority_foreign_uid": "if that uid is meant to run it, name it in the configuration as one of authority_uids",
    "protocol_version": "run the command line and the authority from the same version of secpkg",
    "name_taken": "choose another name: users and groups share their names",
    "name_invalid": 'choose a name without control characters and without any of " / \\ [ ] : ; | = , + * ? < > @',
}
_START: Final = "start it with secpkg authority run, or choose another: --authority unix:/path, SECPKG_AUTHORITY"
_TRUST: Final = "only root and trusted uids may do this: start the authority with secpkg authority run --trust UID"
_PACKAGES: Final = "secpkg packages list shows what is registered"
_STATUSES: Final = {
    "STATUS_PORT_CONNECTION_REFUSED": _TRUST,
    "STATUS_PRIVILEGE_NOT_HELD": _TRUST,
    "STATUS_ACCESS_DENIED": "if this is not an inbox package or built-in name, " + _TRUST,
    "STATUS_NO_SUCH_USER": "secpkg accounts list shows the accounts",
    "STATUS_OBJECT_NAME_NOT_FOUND": "secpkg groups list shows the groups",
    "STATUS_NO_SUCH_PACKAGE": _PACKAGES,
    "SEC_E_SECPKG_NOT_FOUND": _PACKAGES,
    "STATUS_LOGON_FAILURE": "check the name and the password",
    "STATUS_ACCOUNT_RESTRICTION": "the password is right; an operator can lift the restriction: secpkg accounts --help",
    "STATUS_PASSWORD_RESTRICTION": "choose another password",
    "STATUS_INVALID_PARAMETER": "--help after the command shows what it accepts",
    "STATUS_NOT_IMPLEMENTED": "secpkg functions shows what works in this version",
    "SEC_E_UNSUPPORTED_FUNCTION": "secpkg functions shows what works in this version",
}
_OTHERWISE: Final = (
    "secpkg authority status shows whether the authority is well; secpkg audit show --failures has the reason"
)


class Fail(click.ClickException):
    """An expected failure: what is wrong, and what to do next."""

    def __init__(self, wrong: str, following: str, code: int = FAILED) -> None:
        super().__init__(clean(wrong))
        self.following = following
        self.code = code

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """What the process ends with."""
        return self.code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the two lines on standard error."""
        click.echo(f"secpkg: {self.message}", file=file, err=file is None, color=self.show_color)
        click.echo(f"  {self.following}", file=file, err=file is None, color=self.show_color)


def refused(error: SecurityError) -> Fail:
    """A documented failure, with its native name, number and substatus."""
    if error.status == Status.SEC_E_NO_AUTHENTICATING_AUTHORITY:
        return unreachable(error)
    following = _REASONS.get(error.reason) or _STATUSES.get(error.status.native, _OTHERWISE)
    return Fail(str(error), following)


def unreachable(error: Exception) -> Fail:
    """The authority that was chosen does not answer. There is no fallback to another one."""
    said = str(error) if isinstance(error, SecurityError) else getattr(error, "strerror", None) or str(error)
    return Fail(
        f"the authority cannot be reached: {said or type(error).__name__}",
        _REASONS.get(getattr(error, "reason", ""), _START),
        UNREACHABLE,
    )


def failed(error: OSError) -> Fail:
    """The system refused something that the command needs."""
    name = f": {error.filename}" if error.filename is not None else ""
    return Fail(f"{error.strerror or type(error).__name__}{name}", "mend that, then run the command again")


__all__ = ["FAILED", "UNREACHABLE", "Fail", "failed", "refused", "unreachable"]
