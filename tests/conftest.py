"""What holds for every test; that warnings are errors and that skips give their reasons stands in pyproject.toml."""

from collections.abc import Generator

import pytest
from hypothesis import settings
from tests.needs import in_ci, missing

# A deadline on a busy machine says how busy it was; pytest's own time-out finds what hangs. CI draws the same examples
# each time, so that a red build means a change; at a desk new ones are drawn.
settings.register_profile("secpkg", settings.get_profile("default"), deadline=None)
settings.register_profile("secpkg-ci", settings.get_profile("ci"), deadline=None, derandomize=True)
settings.load_profile("secpkg-ci" if settings.get_current_profile_name() == "ci" else "secpkg")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("stranger"):
        for package in marker.args:
            reason = missing(package)
            if reason is not None:
                pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and in_ci() and item.get_closest_marker("stranger") is not None:
        report.outcome = "failed"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        report.longrepr = f"in CI no stranger may be missing: {reason}"
    return report
