"""WinPR's SSPI by ctypes: credentials, buffers and the functions' prototypes are made once, contexts each time."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from ctypes import byref, c_int, c_uint32, c_void_p
from pathlib import Path
from typing import Any, Final

sys.path.append(str(Path(__file__).parents[2] / "tests" / "strangers"))

from winpr_context import (  # type: ignore[import-not-found]
    COMPLETE_NEEDED,
    DATA,
    TOKEN,
    Handle,
    Identity,
    Row,
    _table,
    wide,
)

_SIGNATURE: Final = 16
_MAX_TOKEN: Final = 8192
_REQUIRED: Final = 0x4 | 0x8 | 0x10
_POINTERS: Final = {
    "acquire": (c_void_p, c_void_p, c_uint32, *(c_void_p,) * 6),
    "initialize": (c_void_p, c_void_p, c_void_p, c_uint32, c_uint32, c_uint32, c_void_p, c_uint32, *(c_void_p,) * 4),
    "accept": (c_void_p, c_void_p, c_void_p, c_uint32, c_uint32, *(c_void_p,) * 4),
    "complete_token": (c_void_p, c_void_p),
    "delete": (c_void_p,),
    "encrypt": (c_void_p, c_uint32, c_void_p, c_uint32),
}
_functions: Final[dict[str, Any]] = {
    name: ctypes.CFUNCTYPE(c_int, *kinds)(getattr(_table, name)) for name, kinds in _POINTERS.items()
}


def _done(name: str, status: int) -> int:
    if status < 0:
        raise OSError(f"{name}: 0x{status & 0xFFFFFFFF:08X}")
    return status


class Contexts:
    def __init__(self, domain: str, user: str, password: str) -> None:
        self._texts = [wide(text) for text in (user, domain, password)]
        self._identity = Identity(*(value for text in self._texts for value in (text, len(text) - 1)), 2)
        self._target, self._name = wide("HTTP/server.example.com"), wide("NTLM")
        self._attributes, self._expiry = c_uint32(), ctypes.c_uint64()
        self._outbound, self._inbound = self._credential(2), self._credential(1)
        self._tokens = [Row((TOKEN, _MAX_TOKEN)) for _ in range(4)]

    def _credential(self, use: int) -> Any:
        made = Handle()
        acquire = _functions["acquire"]
        package, who = ctypes.cast(self._name, c_void_p), byref(self._identity)
        _done("acquire", acquire(None, package, use, None, who, None, None, byref(made), byref(self._expiry)))
        return made

    def pair(self) -> tuple[Any, Any]:
        client, server = Handle(), Handle()
        initialize, accept = _functions["initialize"], _functions["accept"]
        one, two, three, four = self._tokens
        for row in self._tokens:
            row.buffers[0].size = _MAX_TOKEN
        outcome = byref(self._attributes), byref(self._expiry)
        asked = ctypes.cast(self._target, c_void_p), _REQUIRED | 0x10000, 0, 0x10
        granted = _REQUIRED | 0x20000, 0x10
        out, into = byref(self._outbound), byref(self._inbound)
        a, b = byref(client), byref(server)
        _done("initialize", initialize(out, None, *asked, None, 0, a, byref(one.desc), *outcome))
        _done("accept", accept(into, None, byref(one.desc), *granted, b, byref(two.desc), *outcome))
        _done("initialize", initialize(out, a, *asked, byref(two.desc), 0, a, byref(three.desc), *outcome))
        status = _done("accept", accept(into, b, byref(three.desc), *granted, b, byref(four.desc), *outcome))
        if status in COMPLETE_NEEDED:  # only this checks the proof
            _done("complete_token", _functions["complete_token"](b, byref(four.desc)))
        return client, server

    def end(self, client: Any, server: Any) -> None:
        _functions["delete"](byref(client))
        _functions["delete"](byref(server))

    def sealing(self, client: Any) -> Callable[[bytes], object]:
        encrypt, context, count = _functions["encrypt"], byref(client), 0

        def sealed(data: bytes) -> bytes:
            nonlocal count
            row = Row((TOKEN, _SIGNATURE), (DATA, data))
            _done("encrypt", encrypt(context, 0, byref(row.desc), count))
            count += 1
            first: bytes = row[0]
            second: bytes = row[1]
            return first + second

        return sealed
