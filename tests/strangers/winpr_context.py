"""WinPR's SSPI (what FreeRDP uses), by ctypes: one context, for `child.py`.

Its acceptor gets the password by its credential, and checks the proof in CompleteAuthToken only. An NT hash could be
given by a callback of C only. It counts no messages: the caller's number is the sequence number. MakeSignature it has
none.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_int, c_size_t, c_uint16, c_uint32, c_void_p
from typing import Any, Final, cast

OK: Final = 0
CONTINUE: Final = 0x00090312
COMPLETE_NEEDED: Final = (0x00090313, 0x00090314)
DATA, TOKEN, CHANNEL_BINDINGS = 1, 2, 14
_MAX_TOKEN: Final = 8192
_SIGNATURE: Final = 16
# SECPKG_ATTR_SESSION_KEY; ISC_REQ_* and ASC_REQ_* have these bits in common.
_REPLAY, _SEQUENCE, _CONFIDENTIALITY = 0x4, 0x8, 0x10
_INTEGRITY_ISC, _INTEGRITY_ASC = 0x10000, 0x20000


class Handle(ctypes.Structure):
    _fields_ = (("lower", c_size_t), ("upper", c_size_t))


class Buffer(ctypes.Structure):
    _fields_ = (("size", c_uint32), ("type", c_uint32), ("data", c_void_p))


class Buffers(ctypes.Structure):
    _fields_ = (("version", c_uint32), ("count", c_uint32), ("buffers", POINTER(Buffer)))


class Identity(ctypes.Structure):
    _fields_ = (
        ("user", POINTER(c_uint16)),
        ("user_length", c_uint32),
        ("domain", POINTER(c_uint16)),
        ("domain_length", c_uint32),
        ("password", POINTER(c_uint16)),
        ("password_length", c_uint32),
        ("flags", c_uint32),
    )


class Table(ctypes.Structure):
    """SecurityFunctionTableW; all members are pointers behind the version."""

    _fields_ = (
        ("version", c_uint32),
        *(
            (name, c_void_p)
            for name in (
                "enumerate",
                "query_credentials",
                "acquire",
                "free_credentials",
                "reserved2",
                "initialize",
                "accept",
                "complete_token",
                "delete",
                "apply_control",
                "query_context",
                "impersonate",
                "revert",
                "make_signature",
                "verify_signature",
                "free_buffer",
                "query_package",
                "reserved3",
                "reserved4",
                "export",
                "import_",
                "add_credentials",
                "reserved8",
                "query_token",
                "encrypt",
                "decrypt",
                "set_context",
            )
        ),
    )


_library = ctypes.CDLL("libwinpr2.so.2")
_library.sspi_GlobalInit()
_library.winpr_InitializeSSL(0)
_library.InitSecurityInterfaceW.restype = POINTER(Table)
_table = _library.InitSecurityInterfaceW().contents


def call(name: str, *arguments: Any) -> int:
    """The status of a function of the table; negative ones raise."""
    kinds = [c_uint32 if isinstance(argument, int) else c_void_p for argument in arguments]
    function = ctypes.CFUNCTYPE(c_int, *kinds)(getattr(_table, name))
    status = function(*(a if isinstance(a, int) or a is None else ctypes.cast(a, c_void_p) for a in arguments))
    if status < 0:
        raise OSError(f"{name}: 0x{status & 0xFFFFFFFF:08X}")
    return cast(int, status)


def wide(text: str) -> Any:
    units = text.encode("utf-16-le") + b"\0\0"
    return (c_uint16 * (len(units) // 2)).from_buffer_copy(units)


class Row:
    """A SecBufferDesc and the memory behind it."""

    def __init__(self, *parts: tuple[int, bytes | int]) -> None:
        self.memory = [ctypes.create_string_buffer(p, p if isinstance(p, int) else len(p)) for _, p in parts]
        self.buffers = (Buffer * len(parts))(
            *(Buffer(len(m), kind, ctypes.cast(m, c_void_p)) for (kind, _), m in zip(parts, self.memory, strict=True))
        )
        self.desc = Buffers(0, len(parts), self.buffers)

    def __getitem__(self, at: int) -> bytes:
        return ctypes.string_at(self.buffers[at].data, self.buffers[at].size)


class Context:
    def __init__(self, wish: dict[str, Any]) -> None:
        self.complete = False
        self._started = False
        self._sent = self._received = 0
        self._accepts = wish["side"] == "acceptor"
        self._bindings = bytes.fromhex(wish["bindings"])
        self._target = wide(wish["target"])
        protection = _CONFIDENTIALITY if wish["seal"] else 0
        if wish["sign"]:
            protection |= _REPLAY | _SEQUENCE | (_INTEGRITY_ASC if self._accepts else _INTEGRITY_ISC)
        self._flags = protection
        texts = [wide(wish[name]) for name in ("user", "domain", "password")]
        self._identity = Identity(*(value for text in texts for value in (text, len(text) - 1)), 2)
        self._credential, self._context, self._expiry = Handle(), Handle(), ctypes.c_uint64()
        use = 1 if self._accepts else 2
        call(
            "acquire", None, wide("NTLM"), use, None, byref(self._identity), None, None,
            byref(self._credential), byref(self._expiry),
        )  # fmt: skip

    def _sec_channel_bindings(self) -> bytes:
        """SEC_CHANNEL_BINDINGS: eight numbers, then the application data at the offset that the last says."""
        return bytes(24) + len(self._bindings).to_bytes(4, "little") + (32).to_bytes(4, "little") + self._bindings

    def step(self, token: bytes) -> bytes | None:
        given: list[tuple[int, bytes | int]] = [(TOKEN, token)] if token else []
        if self._bindings and token:  # its initiator takes no input at the first leg
            given.append((CHANNEL_BINDINGS, self._sec_channel_bindings()))
        taken = Row(*given)
        made = Row((TOKEN, _MAX_TOKEN))
        attributes = c_uint32()
        before = byref(self._context) if self._started else None
        rest = (byref(self._context), byref(made.desc), byref(attributes), byref(self._expiry))
        if self._accepts:
            status = call("accept", byref(self._credential), before, byref(taken.desc), self._flags, 0x10, *rest)
        else:
            status = call(
                "initialize", byref(self._credential), before, self._target, self._flags, 0, 0x10,
                byref(taken.desc) if given else None, 0, *rest,
            )  # fmt: skip
        self._started = True
        if status in COMPLETE_NEEDED:
            call("complete_token", byref(self._context), byref(made.desc))
        self.complete = status in (OK, COMPLETE_NEEDED[0])
        return made[0] or None

    def seal(self, data: bytes) -> bytes:
        row = Row((TOKEN, _SIGNATURE), (DATA, data))
        call("encrypt", byref(self._context), 0, byref(row.desc), self._sent)
        self._sent += 1
        return row[0] + row[1]

    def unseal(self, data: bytes) -> bytes:
        row = Row((TOKEN, data[:_SIGNATURE]), (DATA, data[_SIGNATURE:]))
        call("decrypt", byref(self._context), byref(row.desc), self._received, byref(c_uint32()))
        self._received += 1
        return row[1]
