"""The Policy functions of a logon application, one to one. The policy handle is the connection: there is one Policy
object, and what LsaOpenPolicy would check is checked at each call.
"""

from __future__ import annotations

from secpkg.contract.domain_policy import DomainInformation, ForestTrustCollision, ForestTrustRecord
from secpkg.contract.floor import floor
from secpkg.contract.status import Status
from secpkg.ipc.link import run
from secpkg.lsa import operations
from secpkg.lsa.client import Lsa
from secpkg.lsa.handles import connection_of


@floor("lsa_logon", "LsaQueryDomainInformationPolicy")
def query_domain_information_policy(handle: Lsa, information_class: int) -> tuple[Status, DomainInformation | None]:
    """LsaQueryDomainInformationPolicy: (status, structure), which is a copy and the caller's. STATUS_INVALID_PARAMETER
    for a class that the page does not name, STATUS_OBJECT_NAME_NOT_FOUND where nothing was set,
    STATUS_INTERNAL_DB_CORRUPTION. Page: ntsecapi/nf-ntsecapi-lsaquerydomaininformationpolicy.
    """
    connection = connection_of(handle)
    return Status.STATUS_SUCCESS, run(operations.query_domain_policy(connection, information_class))


@floor("lsa_logon", "LsaSetDomainInformationPolicy")
def set_domain_information_policy(handle: Lsa, information_class: int, information: DomainInformation | None) -> Status:
    """LsaSetDomainInformationPolicy; None takes an EFS policy away. STATUS_ACCESS_DENIED without a trusted connection,
    STATUS_INVALID_PARAMETER for a structure of another class. Page:
    ntsecapi/nf-ntsecapi-lsasetdomaininformationpolicy.
    """
    connection = connection_of(handle)
    run(operations.set_domain_policy(connection, information_class, information))
    return Status.STATUS_SUCCESS


@floor("lsa_logon", "LsaQueryForestTrustInformation")
def query_forest_trust_information(
    handle: Lsa, trusted_domain_name: str
) -> tuple[Status, tuple[ForestTrustRecord, ...] | None]:
    """LsaQueryForestTrustInformation: (status, records). STATUS_INVALID_DOMAIN_STATE where no forest is trusted,
    STATUS_NO_SUCH_DOMAIN, STATUS_NOT_FOUND. Page: ntsecapi/nf-ntsecapi-lsaqueryforesttrustinformation.
    """
    return Status.STATUS_SUCCESS, run(operations.query_forest_trust(connection_of(handle), trusted_domain_name))


@floor("lsa_logon", "LsaSetForestTrustInformation")
def set_forest_trust_information(
    handle: Lsa,
    trusted_domain_name: str,
    forest_trust_info: list[ForestTrustRecord] | tuple[ForestTrustRecord, ...],
    check_only: bool = False,
) -> tuple[Status, tuple[ForestTrustCollision, ...]]:
    """LsaSetForestTrustInformation: (status, collisions); records that collide are kept out of force. Failures as
    LsaQueryForestTrustInformation, STATUS_ACCESS_DENIED without a trusted connection, STATUS_INVALID_PARAMETER. Page:
    ntsecapi/nf-ntsecapi-lsasetforesttrustinformation.
    """
    connection = connection_of(handle)
    asking = operations.set_forest_trust(connection, trusted_domain_name, forest_trust_info, check_only)
    return Status.STATUS_SUCCESS, run(asking)
