"""LSA functions called by user-mode SSP/APs (SECPKG_DLL_FUNCTIONS): handed over in SpInstanceInit (R159)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class DllFunctions(Protocol):
    """``SECPKG_DLL_FUNCTIONS``."""

    def allocate_heap(self, length: int) -> bytearray:
        """AllocateHeap: memory that the application releases with FreeContextBuffer; charged until it is freed, or
        nobody holds it. SEC_E_INSUFFICIENT_MEMORY. Page: ntsecpkg/ns-ntsecpkg-secpkg_dll_functions.
        """
        ...

    def free_heap(self, base: bytearray) -> None:
        """FreeHeap: STATUS_INVALID_PARAMETER for what is no block of this module, and for the second time.
        Page: ntsecpkg/ns-ntsecpkg-secpkg_dll_functions.
        """
        ...

    def register_callback(self, callback_id: int, callback: Callable[[int, int, bytes], bytes]) -> None:
        """RegisterCallback: ``callback(argument1, argument2, data)`` is what the LSA half reaches with ClientCallback
        (R165). It runs in the thread that waits for the LSA half, must not call it in turn, and returns 64 KiB at most.
        STATUS_INVALID_PARAMETER, STATUS_INSUFFICIENT_RESOURCES. Page: legacy aa379372.
        """
        ...

    def locate_package_by_id(self, package_id: int) -> object:
        """LocatePackageById: the user half of another package of this module, once a context of it was mapped in this
        process, or None. Header NTSecPKG.h (docs/adr/0017).
        """
        ...


PROTOCOLS: tuple[type, ...] = (DllFunctions,)
