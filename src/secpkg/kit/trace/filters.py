"""Which calls to show."""

from __future__ import annotations

from fnmatch import fnmatchcase

import msgspec

from secpkg.kit.trace.model import Event, user_name


class Filter(msgspec.Struct, frozen=True):
    """A call is shown that fits one of each kind that is given: of ``packages`` (by name, in any case of letters), for
    one of ``users`` (a uid or the name of the application's user, or the account that is logged on), of one of
    ``handles``, of one of ``functions`` (with ``*`` and ``?``, else a part of the name); with ``failed`` only what was
    refused.
    """

    packages: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    handles: tuple[int, ...] = ()
    functions: tuple[str, ...] = ()
    failed: bool = False

    def __call__(self, event: Event) -> bool:
        """Whether to show it."""
        return (
            (not self.failed or event.failed)
            and (not self.packages or event.package.casefold() in map(str.casefold, self.packages))
            and (not self.handles or event.handle in self.handles)
            and (not self.functions or any(_is_called(event.function, name) for name in self.functions))
            and (not self.users or any(_is_for(event, user) for user in self.users))
        )


def _is_called(function: str, wanted: str) -> bool:
    function, wanted = function.casefold(), wanted.casefold()
    return fnmatchcase(function, wanted) if any(c in wanted for c in "*?[") else wanted in function


def _is_for(event: Event, user: str) -> bool:
    if user.isdecimal():
        return event.uid == int(user)
    return user.casefold() in (event.account.casefold(), user_name(event.uid).casefold())
