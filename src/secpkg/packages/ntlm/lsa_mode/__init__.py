"""NTLM in the authority. One object per authority; each file adds a power to the one before.

``accounts`` (what is kept, and how it is found) → ``credentials`` → ``initiate`` and ``accept`` (contexts;
``passthrough`` for accounts of others) → ``logon`` (with ``subauth`` and ``cache``) → ``services``.
"""

from __future__ import annotations

from secpkg.contract.flags import Capability, InterfaceVersion
from secpkg.contract.lsa_mode.functions import LsaDispatchTable
from secpkg.contract.lsa_mode.ssp import ModuleTables
from secpkg.contract.values import PackageInfo
from secpkg.packages.ntlm.lsa_mode.services import ServicesHalf

MAX_TOKEN = 2888
RPC_C_AUTHN_WINNT = 10


class Ntlm(ServicesHalf):
    """The LSA half."""

    info = PackageInfo(
        name="NTLM",
        comment="NTLM (MS-NLMP) and the logons of MSV1_0, for accounts of this authority",
        capabilities=Capability.INTEGRITY | Capability.PRIVACY | Capability.TOKEN_ONLY | Capability.CONNECTION
        | Capability.DATAGRAM | Capability.LOGON | Capability.IMPERSONATION | Capability.ACCEPT_WIN32_NAME
        | Capability.NEGOTIABLE | Capability.READONLY_WITH_CHECKSUM,
        max_token=MAX_TOKEN,
        rpc_id=RPC_C_AUTHN_WINNT,
    )  # fmt: skip

    async def initialize_package(self, package_id: int, dispatch: LsaDispatchTable) -> str:
        """LsaApInitializePackage. MSV1_0's own name is an alias that the authority keeps (docs/adr/0022)."""
        return self.info.name


def lsa_mode_initialize(version: InterfaceVersion) -> ModuleTables:
    """SpLsaModeInitialize."""
    return ModuleTables(InterfaceVersion.V4, (Ntlm(),))  # that of SpChangeAccountPassword
