"""Drives the coroutines of `secpkg.sspi` and `secpkg.lsa` on an asyncio event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Coroutine
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from secpkg.ipc.connection import Connections
from secpkg.ipc.link import Exchange

T = TypeVar("T")

_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Connections] = WeakKeyDictionary()


def connections() -> Connections:
    """The shared connections of the loop that runs: a channel belongs to one loop."""
    loop = asyncio.get_running_loop()
    found = _by_loop.get(loop)
    if found is None:
        found = _by_loop[loop] = Connections(asynchronous=True)
    return found


async def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run ``coroutine`` to its end: each exchange is awaited, or was answered in place (embedded mode)."""
    try:
        exchange: Exchange[object] = coroutine.send(None)
        while True:
            try:
                answer = exchange.function(*exchange.arguments)
                if inspect.isawaitable(answer):
                    answer = await answer
            except BaseException as error:
                exchange = coroutine.throw(error)
            else:
                exchange = coroutine.send(answer)
    except StopIteration as stop:
        return cast(T, stop.value)
