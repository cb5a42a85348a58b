"""The test tools as pytest fixtures, there in every environment that has secpkg.

Nothing happens and nothing of secpkg is imported until a test asks for a fixture whose name begins with ``secpkg_``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import pytest

if TYPE_CHECKING:
    from secpkg.testing.clock import FrozenClock
    from secpkg.testing.entropy import SeededEntropy
    from secpkg.testing.lab import LabAuthority
    from secpkg.testing.pair import Pair, PairOptions

_OPTION = "--secpkg-record"


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--secpkg-record``."""
    group = parser.getgroup("secpkg", "security packages")
    group.addoption(_OPTION, action="store_true", default=False, help="write the recordings of secpkg_recorded anew")


@pytest.fixture
def secpkg_clock() -> FrozenClock:
    """The clock of `secpkg_lab`."""
    from secpkg.testing.clock import FrozenClock

    return FrozenClock()


@pytest.fixture
def secpkg_entropy() -> SeededEntropy:
    """The chance of `secpkg_lab`: the same in every run."""
    from secpkg.testing.entropy import SeededEntropy

    return SeededEntropy()


@pytest.fixture
def secpkg_lab(
    secpkg_clock: FrozenClock, secpkg_entropy: SeededEntropy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[LabAuthority]:
    """A `LabAuthority` without modules and users, with a frozen clock and seeded entropy. The user's configuration of
    secpkg is out of sight (XDG_CONFIG_HOME is a directory of this test's).
    """
    from secpkg.testing.lab import LabAuthority

    monkeypatch.delenv("SECPKG_AUTHORITY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    with LabAuthority(clock=secpkg_clock, entropy=secpkg_entropy) as lab:
        yield lab


@pytest.fixture
def secpkg_pair(secpkg_lab: LabAuthority) -> Iterator[Callable[..., Pair]]:
    """``secpkg_pair("Hello", username="alice", password=password)``: a `Pair` in `secpkg_lab`, closed at the end."""
    from secpkg.testing.pair import Pair

    made: list[Pair] = []

    def pair(package: str, **options: Unpack[PairOptions]) -> Pair:
        made.append(Pair(secpkg_lab, package, **options))
        return made[-1]

    yield pair
    for one in made:
        one.close()


@pytest.fixture
def secpkg_recorded(request: pytest.FixtureRequest) -> Callable[[Pair], None]:
    """``secpkg_recorded(pair)``: runs the pair and compares every byte with ``recordings/TEST.json`` beside the test's
    file; with ``--secpkg-record`` it writes that file.
    """
    from secpkg.testing.recording import Recording, record, replay

    folder = Path(request.path).parent / "recordings"
    path = folder / ("".join(c if c.isalnum() or c in "-_" else "-" for c in request.node.name) + ".json")

    def recorded(pair: Pair) -> None:
        if request.config.getoption(_OPTION):
            folder.mkdir(exist_ok=True)
            record(pair).save(path)
        elif not path.exists():
            pytest.fail(f"{path} is not there yet: run this test once with {_OPTION}", pytrace=False)
        else:
            replay(Recording.load(path), pair)

    return recorded
