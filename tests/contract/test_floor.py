"""The manners of a C-shaped floor: wrong arguments and failures are answered by status, in the function's shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from secpkg.contract.floor import Given, floor
from secpkg.contract.implements import IMPLEMENTED
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Message, SecBuffer

Outputs = tuple[Status, int, bytes | None, tuple[str, ...]]


@pytest.fixture
def unlisted() -> Iterator[None]:
    """The marks that a test makes are taken back."""
    known = dict(IMPLEMENTED)
    yield
    IMPLEMENTED.clear()
    IMPLEMENTED.update(known)


def made(table: str, called: list[object]) -> Callable[..., object]:
    @floor(table, "Planted")
    def planted(context: int, message: Message, name: str | None = None, size: float = 0.0) -> Outputs:
        called.append(context)
        if name == "refused":
            raise SecurityError(Status.SEC_E_NO_CREDENTIALS)
        return Status.SEC_E_OK, context, b"x", ("a",)

    return planted


@pytest.mark.usefixtures("unlisted")
@pytest.mark.parametrize(
    ("arguments", "sspi", "lsa"),
    [
        (("no handle", []), Status.SEC_E_INVALID_HANDLE, Status.STATUS_INVALID_HANDLE),
        ((None, []), Status.SEC_E_INVALID_HANDLE, Status.STATUS_INVALID_HANDLE),
        ((1, None), Status.SEC_E_INVALID_TOKEN, Status.STATUS_INVALID_PARAMETER),
        ((1, [b"no buffer"]), Status.SEC_E_INVALID_TOKEN, Status.STATUS_INVALID_PARAMETER),
        (
            (1, [SecBuffer(1, memoryview(b"x" * 8).cast("I"))]),
            Status.SEC_E_INVALID_TOKEN,
            Status.STATUS_INVALID_PARAMETER,
        ),
        ((-1, []), Status.SEC_E_INVALID_HANDLE, Status.STATUS_INVALID_HANDLE),
        ((1, [], "\ud800"), Status.SEC_E_INVALID_PARAMETER, Status.STATUS_INVALID_PARAMETER),
        ((1, [SecBuffer(1)], b"bytes"), Status.SEC_E_INVALID_PARAMETER, Status.STATUS_INVALID_PARAMETER),
        ((1, [], None, "1"), Status.SEC_E_INVALID_PARAMETER, Status.STATUS_INVALID_PARAMETER),
    ],
)
def test_a_wrong_argument_is_answered_before_the_body_sees_it(
    arguments: tuple[object, ...], sspi: Status, lsa: Status
) -> None:
    for table, status in (("sspi", sspi), ("lsa_logon", lsa)):
        called: list[object] = []
        assert made(table, called)(*arguments) == (status, 0, None, ())
        assert called == []


@pytest.mark.usefixtures("unlisted")
def test_named_arguments_are_checked_too_and_right_ones_arrive() -> None:
    called: list[object] = []
    function = made("sspi", called)
    assert function(1, [], size=b"1") == (Status.SEC_E_INVALID_PARAMETER, 0, None, ())
    assert function(1, message=[SecBuffer(2)], size=1) == (Status.SEC_E_OK, 1, b"x", ("a",))
    assert called == [1]


@pytest.mark.usefixtures("unlisted")
def test_a_failure_of_the_body_is_its_status_and_nothing_else() -> None:
    assert made("sspi", [])(1, [], "refused") == (Status.SEC_E_NO_CREDENTIALS, 0, None, ())


@pytest.mark.usefixtures("unlisted")
def test_a_function_without_outputs_returns_the_status_alone() -> None:
    @floor("sspi", "Planted")
    def planted(check: Callable[[], None]) -> Status:
        check()
        return Status.SEC_E_OK

    def refuse() -> None:
        raise SecurityError(Status.SEC_E_LOGON_DENIED)

    assert planted(refuse) is Status.SEC_E_LOGON_DENIED
    assert planted("no function") is Status.SEC_E_INVALID_PARAMETER  # type: ignore[arg-type]  # what it is for
    assert planted(lambda: None) is Status.SEC_E_OK
    assert IMPLEMENTED["sspi", "Planted"].where is planted


@pytest.mark.usefixtures("unlisted")
def test_what_one_page_has_differently() -> None:
    @floor("sspi", "Planted", wrong={"package": Status.SEC_E_SECPKG_NOT_FOUND}, failed=(Given("context"), list, 9.5))
    def planted(package: str, context: int | None, *, logon_id: int = 0) -> tuple[Status, int | None, Message, float]:
        raise SecurityError(Status.SEC_E_LOGON_DENIED)

    answers = planted(None, 7), planted("x", context=7), planted("x", 7, logon_id=1 << 64)  # type: ignore[arg-type]
    assert [answer[0] for answer in answers] == [
        Status.SEC_E_SECPKG_NOT_FOUND,
        Status.SEC_E_LOGON_DENIED,
        Status.SEC_E_INVALID_PARAMETER,
    ]
    assert all(answer[1:] == (7, [], 9.5) for answer in answers)
    assert answers[0][2] is not answers[1][2], "an output is the caller's"
    assert planted("x", 7, logon_id=1 << 63)[0] is Status.SEC_E_LOGON_DENIED


@pytest.mark.usefixtures("unlisted")
def test_functions_that_return_no_status() -> None:
    @floor("sspi", "Planted")
    def silent(name: str) -> None:
        raise SecurityError(Status.SEC_E_LOGON_DENIED)

    @floor("sspi", "Planted2")
    def asked(name: str) -> bool:
        return True

    @floor("sspi", "Planted3", told=lambda status: status.native, failed=(Given("name"),))
    def windows(name: str) -> tuple[str, object]:
        raise SecurityError(Status.SEC_E_LOGON_DENIED)

    assert silent("x") is None and silent(1) is None  # type: ignore[arg-type]
    assert asked("x") is True and asked(1) is False  # type: ignore[arg-type]
    assert windows("x") == ("SEC_E_LOGON_DENIED", "x")
