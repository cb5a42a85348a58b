"""Records of a forest trust, and which of them collide (LsaSetForestTrustInformation; MS-LSAD 3.1.4.7.16.1).

A top-level name stands for a tree: it collides with the same name, with one below it and with one above it, unless the
other side excluded that subtree. A domain collides by its SID, its DNS name or its NetBIOS name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from secpkg.accounts.sid import Sid
from secpkg.contract.domain_policy import (
    COLLISION_TDO,
    COLLISION_XREF,
    FOREST_TRUST_DOMAIN_INFO,
    FOREST_TRUST_TOP_LEVEL_NAME,
    FOREST_TRUST_TOP_LEVEL_NAME_EX,
    LSA_NB_DISABLED_CONFLICT,
    LSA_SID_DISABLED_CONFLICT,
    LSA_TLN_DISABLED_CONFLICT,
    ForestTrustCollision,
    ForestTrustRecord,
)
from secpkg.contract.status import SecurityError, Status

MAX_RECORDS: Final = 1024
"""Records of one trust."""
_MAX_DNS: Final = 255
_MAX_NETBIOS: Final = 15
_NAMES: Final = (FOREST_TRUST_TOP_LEVEL_NAME, FOREST_TRUST_TOP_LEVEL_NAME_EX)


def require_record(record: ForestTrustRecord) -> None:
    """STATUS_INVALID_PARAMETER for what is no record of its type."""
    if record.type in _NAMES:
        well_formed = _dns(record.top_level_name) and not (record.sid or record.dns_name or record.netbios_name)
    elif record.type == FOREST_TRUST_DOMAIN_INFO:
        Sid(record.sid)
        well_formed = (
            _dns(record.dns_name)
            and 0 < len(record.netbios_name) <= _MAX_NETBIOS
            and record.netbios_name.isprintable()
            and not record.top_level_name
        )
    else:
        well_formed = False
    if not well_formed:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="forest_trust_record")


def _dns(name: str) -> bool:
    return 0 < len(name) <= _MAX_DNS and name.isprintable() and all(name.split("."))


def collisions(
    records: tuple[ForestTrustRecord, ...],
    our_name: str,
    our_sid: str,
    others: Mapping[str, tuple[ForestTrustRecord, ...]],
) -> tuple[ForestTrustCollision, ...]:
    """Which records collide with our own domain, or with records of another trust that are in force."""
    ours = ForestTrustRecord(FOREST_TRUST_DOMAIN_INFO, sid=our_sid, dns_name=our_name, netbios_name=our_name)
    return tuple(_collisions(records, ours, others))


def _collisions(
    records: tuple[ForestTrustRecord, ...],
    ours: ForestTrustRecord,
    others: Mapping[str, tuple[ForestTrustRecord, ...]],
) -> Iterator[ForestTrustCollision]:
    tree = ForestTrustRecord(FOREST_TRUST_TOP_LEVEL_NAME, ours.dns_name)
    for index, record in enumerate(records):
        flags = _clash(record, ours) | _clash(record, tree)
        if flags:
            yield ForestTrustCollision(index, COLLISION_XREF, flags, ours.dns_name)
            continue
        for domain, known in others.items():
            if _excluded(record, known):
                continue
            flags = 0
            for other in known:
                if not other.flags and not _excluded(other, records):
                    flags |= _clash(record, other)
            if flags:
                yield ForestTrustCollision(index, COLLISION_TDO, flags, domain)
                break


def _clash(record: ForestTrustRecord, other: ForestTrustRecord) -> int:
    """The bits that put ``record`` out of force beside ``other``."""
    if record.type != other.type:
        return 0
    if record.type == FOREST_TRUST_TOP_LEVEL_NAME:
        mine, theirs = record.top_level_name.casefold(), other.top_level_name.casefold()
        return LSA_TLN_DISABLED_CONFLICT if _below(mine, theirs) or _below(theirs, mine) else 0
    if record.type != FOREST_TRUST_DOMAIN_INFO:
        return 0
    flags = 0
    if record.sid == other.sid or record.dns_name.casefold() == other.dns_name.casefold():
        flags |= LSA_SID_DISABLED_CONFLICT
    if record.netbios_name.casefold() == other.netbios_name.casefold():
        flags |= LSA_NB_DISABLED_CONFLICT
    return flags


def _below(name: str, root: str) -> bool:
    return name == root or name.endswith(f".{root}")


def _excluded(record: ForestTrustRecord, known: tuple[ForestTrustRecord, ...]) -> bool:
    return record.type == FOREST_TRUST_TOP_LEVEL_NAME and any(
        _below(record.top_level_name.casefold(), other.top_level_name.casefold())
        for other in known
        if other.type == FOREST_TRUST_TOP_LEVEL_NAME_EX
    )
