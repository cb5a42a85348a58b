"""LSA functions called by user-mode SSP/APs (SECPKG_DLL_FUNCTIONS): handed over in SpInstanceInit (R159)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class DllFunctions(Protocol):
    """``SECPKG_DLL_FUNCTIONS``."""

    def allocate_heap(self, length: int) -> bytearray:
        """AllocateHeap: memory that the application releases with FreeContextBuffer. Page:
        ntsecpkg/ns-ntsecpkg-secpkg_dll_functions.
        """
        ...

    def free_heap(self, base: bytearray) -> None:
        """FreeHeap. Page: ntsecpkg/ns-ntsecpkg-secpkg_dll_functions."""
        ...

    def register_callback(self, callback_id: int, callback: Callable[[int, int, bytes], bytes]) -> None:
        """RegisterCallback: what the LSA half reaches with ClientCallback (R165). Page: legacy aa379372."""
        ...

    def locate_package_by_id(self, package_id: int) -> object:
        """LocatePackageById: the user half of another package of this module, or None. Header NTSecPKG.h."""
        ...


PROTOCOLS: tuple[type, ...] = (DllFunctions,)
