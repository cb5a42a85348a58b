"""What LsaQueryDomainInformationPolicy, LsaQueryForestTrustInformation and their setters carry, as frozen values.

Times are seconds where the structures count 100 ns, and UTC seconds since 1970 where they say when.
"""

from __future__ import annotations

from typing import Final

from secpkg.contract.values import Value

POLICY_DOMAIN_EFS_INFORMATION: Final = 2
"""``PolicyDomainEfsInformation`` (POLICY_DOMAIN_INFORMATION_CLASS)."""
POLICY_DOMAIN_KERBEROS_TICKET_INFORMATION: Final = 3
"""``PolicyDomainKerberosTicketInformation``."""
POLICY_KERBEROS_VALIDATE_CLIENT: Final = 0x80
"""The one bit of AuthenticationOptions that has a meaning (MS-LSAD 2.2.4.19)."""


class KerberosTicketInfo(Value, frozen=True, tag=True):
    """``POLICY_DOMAIN_KERBEROS_TICKET_INFO``: lifetimes and clock skew in seconds (MS-LSAD 2.2.4.19)."""

    authentication_options: int = POLICY_KERBEROS_VALIDATE_CLIENT
    max_service_ticket_age: float = 36_000.0
    max_ticket_age: float = 36_000.0
    max_renew_age: float = 604_800.0
    max_clock_skew: float = 300.0


class EfsInfo(Value, frozen=True, tag=True):
    """``POLICY_DOMAIN_EFS_INFO``: a blob that the Encrypting File System understands; nobody here does."""

    efs_blob: bytes


DomainInformation = KerberosTicketInfo | EfsInfo

FOREST_TRUST_TOP_LEVEL_NAME: Final = 0
"""``ForestTrustTopLevelName`` (LSA_FOREST_TRUST_RECORD_TYPE): a DNS name whose tree belongs to the forest."""
FOREST_TRUST_TOP_LEVEL_NAME_EX: Final = 1
"""``ForestTrustTopLevelNameEx``: a subtree that does not."""
FOREST_TRUST_DOMAIN_INFO: Final = 2
"""``ForestTrustDomainInfo``: a domain of the forest."""

LSA_TLN_DISABLED_CONFLICT: Final = 0x4
"""A top-level name is out of force because it collides."""
LSA_SID_DISABLED_CONFLICT: Final = 0x2
LSA_NB_DISABLED_CONFLICT: Final = 0x8
"""The SID, or the NetBIOS name, of a domain is out of force because it collides."""

COLLISION_TDO: Final = 0
"""``CollisionTdo`` (LSA_FOREST_TRUST_COLLISION_RECORD_TYPE): with another trusted domain."""
COLLISION_XREF: Final = 1
"""``CollisionXref``: with the forest of this authority itself."""


class ForestTrustRecord(Value, frozen=True):
    """``LSA_FOREST_TRUST_RECORD``: ``top_level_name`` for the types 0 and 1, the next three for type 2 (the structure
    keeps them in a union). ``time`` is when the record was made, the authority's word.
    """

    type: int
    top_level_name: str = ""
    sid: str = ""
    dns_name: str = ""
    netbios_name: str = ""
    flags: int = 0
    time: float = 0.0


class ForestTrustCollision(Value, frozen=True):
    """``LSA_FOREST_TRUST_COLLISION_RECORD``: record ``index`` collides with what is called ``name``; ``flags`` are the
    bits that a setting puts into the record.
    """

    index: int
    type: int
    flags: int
    name: str
