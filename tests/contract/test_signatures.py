"""Signatures as schema: binding as Python does it, and a door that refuses by name what does not fit."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

import msgspec
import pytest

from secpkg.contract.lsa_mode import ap, functions, ssp
from secpkg.contract.signatures import Signature, signatures
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Call, LogonRefused, LogonResult, SamUser, TokenInformation

ALL = {**signatures(ssp.PROTOCOLS), **signatures(ap.PROTOCOLS), **signatures(functions.PROTOCOLS)}


class Example(Protocol):
    limit: int = 3

    async def called(self, call: Call, name: str, count: int = 2) -> int: ...

    def asked(self, name: str) -> Awaitable[str]: ...

    def _private(self) -> None: ...


def test_the_functions_that_a_protocol_defines_and_nothing_else() -> None:
    assert sorted(signatures([Example])) == ["asked", "called"]


def test_self_and_call_do_not_travel() -> None:
    called, asked = signatures([Example])["called"], signatures([Example])["asked"]
    assert (called.parameters, called.defaults, called.takes_call) == (("name", "count"), {"count": 2}, True)
    assert (asked.parameters, asked.defaults, asked.takes_call) == (("name",), {}, False)


@pytest.mark.parametrize(
    ("args", "kwargs", "bound"),
    [
        (("a", 1), {}, ("a", 1)),
        (("a",), {}, ("a", 2)),
        ((), {"count": 5, "name": "b"}, ("b", 5)),
        (("a",), {"count": 0}, ("a", 0)),
    ],
)
def test_arguments_are_bound_in_order_with_defaults(
    args: tuple[object, ...], kwargs: dict[str, object], bound: tuple[object, ...]
) -> None:
    assert signatures([Example])["called"].bind(args, kwargs) == bound


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        (("a", 1, 2), {}, "takes 2 arguments but 3"),
        ((), {}, "missing required argument: 'name'"),
        (("a",), {"nmae": 1}, "unexpected argument 'nmae'"),
        (("a", 1), {"name": "b"}, "unexpected argument 'name'"),
    ],
)
def test_what_python_would_refuse_is_refused(args: tuple[object, ...], kwargs: dict[str, object], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        signatures([Example])["called"].bind(args, kwargs)


def raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(value))


def test_arguments_and_result_go_there_and_back() -> None:
    called = signatures([Example])["called"]
    for _twice in range(2):
        assert called.decode_arguments(raw(("a", 1))) == ("a", 1)
        assert called.decode_result(raw(7)) == 7
    assert signatures([Example])["asked"].decode_result(raw("x")) == "x"


def test_documented_values_travel() -> None:
    user = SamUser(1, "alice", "S-1-5-21-1-2-3-1000")
    assert ALL["open_sam_user"].decode_result(raw(user)) == user
    result = LogonResult(5, TokenInformation("S-1-5-21-1-2-3-1000"), "alice")
    refused = LogonRefused(Status.STATUS_LOGON_FAILURE, "alice")
    for value in (result, refused):
        assert ALL["logon_user_ex2"].decode_result(raw(value)) == value


BAD = {
    "another type": raw((1, 1)),
    "too few": raw(("a",)),
    "too many": raw(("a", 1, 2)),
    "no array": raw("a"),
    "nothing": msgspec.Raw(b""),
    "reserved byte": msgspec.Raw(b"\xc1"),
    "trailing bytes": msgspec.Raw(msgspec.msgpack.encode(("a", 1)) + b"\x00"),
    "bad UTF-8": msgspec.Raw(b"\x92\xa1\xff\x01"),
    "too large a number": msgspec.Raw(b"\x92\xa1a\xca\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_does_not_fit_is_refused_by_name(kind: str) -> None:
    with pytest.raises(SecurityError) as caught:
        signatures([Example])["called"].decode_arguments(BAD[kind])
    assert caught.value.status is Status.STATUS_INVALID_PARAMETER
    assert caught.value.reason == "arguments_do_not_fit_called"


@pytest.mark.parametrize("data", [b"\x91" * 100_000 + b"\x01", b"\xa1\xff"], ids=["nested too deeply", "bad UTF-8"])
def test_a_result_of_any_type_is_no_way_around(data: bytes) -> None:
    with pytest.raises(SecurityError) as caught:
        ALL["query_credentials_attributes"].decode_result(msgspec.Raw(data))
    assert caught.value.status is Status.STATUS_INVALID_PARAMETER


@pytest.mark.parametrize("name", ALL)
def test_every_documented_function_refuses_garbage_with_a_status(name: str) -> None:
    signature: Signature = ALL[name]
    for decode in (signature.decode_arguments, signature.decode_result):
        with pytest.raises(SecurityError) as caught:
            decode(msgspec.Raw(b"\xc1"))
        assert caught.value.status in {Status.STATUS_INVALID_PARAMETER, Status.STATUS_NOT_IMPLEMENTED}


def test_a_function_whose_values_cannot_travel_says_so() -> None:
    with pytest.raises(SecurityError) as caught:
        ALL["map_buffer"].decode_arguments(raw(()))
    assert (caught.value.status, caught.value.reason) == (
        Status.STATUS_NOT_IMPLEMENTED,
        "map_buffer_does_not_travel",
    )
