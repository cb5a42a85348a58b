"""The function table of a package holds what its author defined; slips fail the load with field and rule."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from secpkg.contract.lsa_mode import ssp as lsa_ssp
from secpkg.contract.reference import member_names
from secpkg.contract.user_mode import ssp as user_ssp
from secpkg.host.tables import TableFault, build_table


def user(package: object) -> dict[str, Callable[..., object]]:
    return build_table(package, user_ssp.PROTOCOLS)


def test_only_what_the_author_defined_is_in_the_table() -> None:
    class Package:
        name = "P"

        def seal_message(self, context: object, qop: int, message: object, sequence: int) -> None: ...

        def _make_signature(self) -> None: ...

        def helper(self) -> None: ...

    package = Package()
    table = user(package)
    assert list(table) == ["seal_message"]
    assert table["seal_message"] == package.seal_message


def test_what_is_inherited_from_the_contract_is_no_entry() -> None:
    class Package(user_ssp.Sealing):
        # unseal_message stays the contract's own
        name = "P"

        def seal_message(
            self, context: object, quality_of_protection: int, message: Any, sequence_number: int
        ) -> None: ...

    Package.__abstractmethods__ = frozenset()
    assert list(user(Package())) == ["seal_message"]  # type: ignore[abstract]


def test_what_is_inherited_from_the_authors_own_class_is_an_entry() -> None:
    class Base:
        def delete_user_mode_context(self, context: object) -> None: ...

    class Package(Base): ...

    assert list(user(Package())) == ["delete_user_mode_context"]


def test_none_is_a_null_entry() -> None:
    class Base:
        def delete_user_mode_context(self, context: object) -> None: ...

    class Package(Base):
        delete_user_mode_context = None  # type: ignore[assignment]

    assert user(Package()) == {}


def test_an_instance_attribute_and_a_partial_are_entries() -> None:
    class Package:
        def __init__(self) -> None:
            self.init_user_mode_context = partial(lambda tag, packed: packed, "tag")

    assert list(user(Package())) == ["init_user_mode_context"]


@pytest.mark.parametrize(
    ("members", "field", "rule"),
    [
        ({"seal_mesage": lambda self, c, q, m, s: None}, "seal_mesage", "misspelt"),
        ({"init_user_mode_contex": lambda self, p: None}, "init_user_mode_contex", "misspelt"),
        ({"seal_message": 3}, "seal_message", "not_callable"),
        ({"seal_message": lambda self, context, message: None}, "seal_message", "parameters"),
        ({"seal_message": lambda self, c, q, m, s, extra: None}, "seal_message", "parameters"),
        ({"seal_message": lambda self, c, q, m, s, *, key: None}, "seal_message", "parameters"),
        ({"seal_message": lambda self, context, message, quality_of_protection, s: None}, "seal_message", "parameters"),
    ],
)
def test_a_slip_is_refused_with_field_and_rule(members: dict[str, object], field: str, rule: str) -> None:
    with pytest.raises(TableFault) as caught:
        user(type("Package", (), members)())
    assert (caught.value.field, caught.value.rule) == (field, rule)
    assert field in str(caught.value) and rule in str(caught.value)


def test_other_names_defaults_and_variadic_parameters_are_the_authors_affair() -> None:
    class Package:
        def seal_message(self, c: object, q: int, m: object, s: int, extra: int = 0) -> None: ...

        def unseal_message(self, *arguments: object) -> int:
            return 0

    assert set(user(Package())) == {"seal_message", "unseal_message"}


def test_async_and_plain_are_as_the_protocol_says() -> None:
    class UserHalf:
        async def delete_user_mode_context(self, context: object) -> None: ...

    class LsaHalf:
        def delete_context(self, context: object) -> None: ...

    with pytest.raises(TableFault, match="not_sync"):
        user(UserHalf())
    expected = member_names("lsa_mode")
    name = next(n for p in lsa_ssp.PROTOCOLS for n in vars(p) if n in expected and not n.startswith("_"))
    with pytest.raises(TableFault, match="not_async"):
        build_table(type("P", (), {name: lambda self, *a: None})(), lsa_ssp.PROTOCOLS)


def test_a_generator_is_no_function_of_a_package() -> None:
    class Package:
        def delete_user_mode_context(self, context: object) -> Any:
            yield

    with pytest.raises(TableFault, match="not_sync"):
        user(Package())


def test_both_halves_in_one_object_are_not_taken_for_slips() -> None:
    """Names that are documented in another table stay out of this one and raise nothing."""
    members: dict[str, object] = {n: (lambda self, *a: None) for n in member_names("user_mode")}
    members |= {n: (lambda self, *a: None) for n in member_names("lsa_mode") if n not in members}
    table = user(type("P", (), members)())
    documented = {n for p in user_ssp.PROTOCOLS for n in vars(p) if not n.startswith("_")}
    assert set(table) <= documented and "seal_message" in table
