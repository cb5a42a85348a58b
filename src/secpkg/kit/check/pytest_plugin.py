"""``pytest --secpkg-check MODULE``: one test for each rule that binds a package; broken ones fail with their evidence.

The check runs once for each module, when the first of its tests does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from secpkg.kit.check.model import Report, RuleResult


class Broken(Exception):
    """A rule that the module breaks."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of this plug-in."""
    group = parser.getgroup("secpkg", "conformance of security packages")
    group.addoption("--secpkg-check", action="append", default=[], metavar="MODULE", help="check this module, too")
    group.addoption("--secpkg-check-quick", action="store_true", help="sample the attacks")
    group.addoption("--secpkg-check-seed", type=int, default=0, metavar="N", help="of every choice the kit makes")


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the tests of the modules that were asked for."""
    for module in config.getoption("--secpkg-check"):
        collector = Module.from_parent(session, name=f"secpkg-check[{module}]", module=module)
        items.extend(collector.collect())


class Module(pytest.Collector):
    """The tests of one module."""

    def __init__(self, *, module: str, **rest: object) -> None:
        super().__init__(**rest)  # type: ignore[arg-type]  # pytest's own
        self.module = module
        self._results: dict[str, RuleResult] | None = None
        self._faults: tuple[str, ...] = ()

    def collect(self) -> Iterator[pytest.Item]:
        """One item for each rule that binds packages, and one for the kit itself."""
        from secpkg.kit.check.rules import rules

        for number, rule in rules().items():
            if rule.needs:
                yield Rule.from_parent(self, name=number)
        yield Rule.from_parent(self, name="kit")

    def result(self, number: str) -> RuleResult | None:
        """What came of a rule; runs the check the first time."""
        if self._results is None:
            report = self._check()
            self._results = {one.rule: one for one in report.rules}
            self._faults = tuple(fault.text for fault in report.faults)
        return self._results.get(number)

    @property
    def faults(self) -> tuple[str, ...]:
        """Of the kit."""
        return self._faults

    def _check(self) -> Report:
        from secpkg.kit.check.run import check

        get = self.config.getoption
        return check(self.module, quick=get("--secpkg-check-quick"), seed=get("--secpkg-check-seed"))


class Rule(pytest.Item):
    """One rule."""

    parent: Module

    def runtest(self) -> None:
        """Broken fails; not applicable and not tried are skipped with their reason."""
        from secpkg.kit.check.model import Outcome

        result = self.parent.result(self.name)
        if result is None:
            if self.parent.faults:
                raise Broken("\n".join(self.parent.faults))
            return
        if result.outcome is Outcome.BROKEN:
            lines = [f"{result.rule}: {result.line}"]
            for finding in result.findings:
                if finding.outcome is Outcome.BROKEN:
                    lines += [f"{finding.probe}: {finding.text}", *(f"  {line}" for line in finding.evidence)]
            raise Broken("\n".join(lines))
        if result.outcome is not Outcome.KEPT:
            pytest.skip(f"{result.outcome.value}: {result.reason}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """The evidence, and no traceback of the kit."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[str, int | None, str]:
        """Where it stands in a report."""
        return self.parent.module, None, f"{self.parent.module} {self.name}"
