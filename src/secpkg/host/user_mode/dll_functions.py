"""``SECPKG_DLL_FUNCTIONS``: what the packages of one module call in the application (R159)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from secpkg.contract.implements import implements
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.user_mode.callbacks import Callback
from secpkg.host.heap import Heap

HEAP_LIMIT: Final = 256 * 1024 * 1024
"""Bytes of one module's blocks in one application."""
MAX_CALLBACKS: Final = 256
_ULONG: Final = 0xFFFF_FFFF
_HEAP: Final = "the block is a bytearray; charged, and released exactly once"


class DllFunctionTable:
    """`secpkg.contract.user_mode.functions.DllFunctions`; ``callbacks`` are what was registered, by number."""

    __slots__ = ("_heap", "_packages", "callbacks")

    def __init__(self, packages: Callable[[int], object]) -> None:
        self._packages = packages
        self._heap = Heap(HEAP_LIMIT, Status.SEC_E_INSUFFICIENT_MEMORY)
        self.callbacks: dict[int, Callback] = {}

    @implements("dll_functions", "AllocateHeap", "duty", _HEAP)
    def allocate_heap(self, length: int) -> bytearray:
        """AllocateHeap: zeros. SEC_E_INSUFFICIENT_MEMORY beyond `HEAP_LIMIT`, STATUS_INVALID_PARAMETER for no length.
        What is returned to the application is released when it lets go of it.
        """
        return self._heap.allocate(_number(length, "length"))

    @implements("dll_functions", "FreeHeap", "duty", _HEAP)
    def free_heap(self, base: bytearray) -> None:
        """FreeHeap: STATUS_INVALID_PARAMETER for what is no block of this module, or none any more."""
        self._heap.free(base)

    @implements("dll_functions", "RegisterCallback")
    def register_callback(self, callback_id: int, callback: Callback) -> None:
        """RegisterCallback: from now on ClientCallback of this module's LSA half reaches it in this process (R165). It
        runs in the thread that waits for the LSA half, must not call it in turn, and returns 64 KiB at most. A second
        one under a number replaces the first.

        STATUS_INVALID_PARAMETER for what is no number or cannot be called, STATUS_INSUFFICIENT_RESOURCES beyond
        `MAX_CALLBACKS`.
        """
        number = _number(callback_id, "callback_id")
        if not callable(callback):
            raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="callback_cannot_be_called")
        if number not in self.callbacks and len(self.callbacks) >= MAX_CALLBACKS:
            raise SecurityError(Status.STATUS_INSUFFICIENT_RESOURCES, reason="quota_callbacks")
        self.callbacks[number] = callback

    @implements("dll_functions", "LocatePackageById")
    def locate_package_by_id(self, package_id: int) -> object:
        """LocatePackageById: another package of this module, once a context of it was mapped here; else None (ADR 17).
        STATUS_INVALID_PARAMETER for what is no number.
        """
        return self._packages(_number(package_id, "package_id"))


def _number(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _ULONG:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason=f"{name}_is_no_number")
    return value
