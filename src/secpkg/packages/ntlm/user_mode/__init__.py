"""NTLM in the application: sign, verify, seal and unseal (MS-NLMP 3.4)."""

from __future__ import annotations

from secpkg.contract.flags import InterfaceVersion
from secpkg.contract.user_mode.ssp import UserModuleTables
from secpkg.packages.ntlm.user_mode.ssp import Ntlm


def user_mode_initialize(version: InterfaceVersion) -> UserModuleTables:
    """SpUserModeInitialize."""
    return UserModuleTables(InterfaceVersion.V1, (Ntlm(),))
