"""What the authority answers to the Policy functions of an application."""

from __future__ import annotations

from typing import Any

import msgspec

from secpkg.authority import domain_policy
from secpkg.authority.connections import Connection
from secpkg.authority.lsa import LocalSecurityAuthority
from secpkg.contract.domain_policy import DomainInformation, ForestTrustRecord
from secpkg.contract.status import SecurityError, Status
from secpkg.ipc.schema import (
    Answered,
    Done,
    QueryDomainPolicy,
    QueryForestTrust,
    SetDomainPolicy,
    SetForestTrust,
    encode,
)

PolicyRequest = QueryDomainPolicy | SetDomainPolicy | QueryForestTrust | SetForestTrust


def answer(authority: LocalSecurityAuthority, connection: Connection, message: PolicyRequest) -> Answered | Done:
    """The reply; STATUS_INVALID_PARAMETER for a structure that is none, and what `domain_policy` refuses."""
    value: object
    if isinstance(message, QueryDomainPolicy):
        value = domain_policy.query(authority, connection, message.information_class)
    elif isinstance(message, SetDomainPolicy):
        information = _decoded(message.information, DomainInformation | None)
        domain_policy.change(authority, connection, message.information_class, information)
        return Done(message.id)
    elif isinstance(message, QueryForestTrust):
        value = domain_policy.query_forest_trust(authority, connection, message.trusted_domain_name)
    else:
        records = _decoded(message.records, tuple[ForestTrustRecord, ...])
        value = domain_policy.change_forest_trust(
            authority, connection, message.trusted_domain_name, records, check_only=message.check_only
        )
    return Answered(message.id, msgspec.Raw(encode(value)))


def _decoded(raw: msgspec.Raw, kind: Any) -> Any:
    try:
        return msgspec.msgpack.decode(raw, type=kind)
    except msgspec.MsgspecError:
        raise SecurityError(Status.STATUS_INVALID_PARAMETER, reason="arguments_do_not_fit") from None
