"""The four worlds. An authority of each kind is started once."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from tests.behaviour.world import AsyncWorld, Place, World, daemon, embedded


@pytest.fixture(scope="package", params=["embedded", "daemon"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    before = list(sys.path)
    start = embedded if request.param == "embedded" else daemon
    with start(tmp_path_factory.mktemp("modules")) as place:
        yield place
    sys.path[:] = before


@pytest.fixture(params=[World, AsyncWorld], ids=["sync", "async"])
def world(place: Place, request: pytest.FixtureRequest) -> Iterator[World]:
    world: World = request.param(place)
    try:
        yield world
    finally:
        world.end()
