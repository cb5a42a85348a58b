"""One daemon with short limits for every test of the doctor, and modules to plant in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.daemon import harness
from tests.daemon.modules import PLAIN, write_module

from secpkg.ipc import where
from secpkg.kit.doctor.gather import gather
from secpkg.kit.doctor.model import Report
from secpkg.kit.doctor.walk import walk
from secpkg.runtime.supervisor import Limits

LIMITS = Limits(memory=512 * 1024 * 1024, descriptors=256, step=0.4, load=2.0, crashes=2, back_off=(0.0, 0.01))

Diagnose = Callable[[str], Report]


def cause_of(report: Report) -> str:
    """The cause that was found, "" for none."""
    return "" if report.finding is None else report.finding.cause


class Clinic:
    """A running authority, and what is planted in it."""

    def __init__(self, daemon: harness.Daemon) -> None:
        self.daemon = daemon
        self.place = daemon.directory.parent / "planted"
        self._planted: list[str] = []

    def plant(self, name: str, body: str = PLAIN, **options: object) -> None:
        """Write a module and register it; it may be broken."""
        path = write_module(self.place, name, body)
        self.add(name, path=path, **options)

    def add(self, name: str, **options: object) -> None:
        """Register what is there."""
        self.daemon.manage("packages.add", module=name, **options)
        self._planted.append(name)

    def diagnose(self, name: str) -> Report:
        """What the doctor says."""
        return walk(gather(name, self.daemon.address))

    def gone(self, name: str) -> None:
        """Wait until a module is out of the list."""
        self.daemon.until(lambda: not self.daemon.packages(name))

    def restarted(self, name: str, worker: int) -> None:
        """Wait until a module's worker is another one, or none."""
        self.daemon.until(lambda: self.daemon.row(name)["worker"]["pid"] != worker)

    def remove(self) -> None:
        """Take everything out again."""
        while self._planted:
            name = self._planted.pop()
            listed = {row["module"] for row in self.daemon.manage("packages.list")}
            if name in listed or name in self.daemon.manage("packages.examine", name=name)["providers"]:
                self.daemon.manage("packages.remove", name=name, deadline=0.0)
                self.gone(name)


@pytest.fixture(scope="package")
def _clinic() -> Iterator[Clinic]:
    with harness.running(limits=LIMITS) as daemon:
        yield Clinic(daemon)
        harness.close_opened()


@pytest.fixture
def clinic(_clinic: Clinic) -> Iterator[Clinic]:
    yield _clinic
    harness.close_opened()
    _clinic.remove()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No configuration of the machine's, and none of another test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("SECPKG_AUTHORITY", raising=False)
    monkeypatch.setattr(where, "SYSTEM_FILE", str(tmp_path / "etc.toml"))
    where._configuration.cache_clear()
    return tmp_path


def configure(home: Path, text: str) -> Path:
    """Write the user's configuration file."""
    path = home / "config" / "secpkg" / "secpkg.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    where._configuration.cache_clear()
    return path
