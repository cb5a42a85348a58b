"""Powers of a package: what it can do, read from its tables. Rules and probes name the ones that they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from secpkg.contract.flags import Capability
from secpkg.host.lsa_mode.load import LOGON_FUNCTIONS
from secpkg.kit.check.target import Target

if TYPE_CHECKING:
    from secpkg.kit.check.bench import Description

ROUTINES: Final = ("msv1_0_sub_authentication_routine", "msv1_0_sub_authentication_routine_ex")
FILTER: Final = "msv1_0_sub_authentication_filter"
GENERIC: Final = "msv1_0_sub_authentication_routine_generic"
"""Functions of subauthentication packages."""

_BY_FUNCTION: Final = {
    "accept_credentials": ("accept_credentials",),
    "call": ("call_package", "call_package_untrusted", "call_package_passthrough"),
    "terminated": ("logon_terminated",),
    "surrogate": ("pre_logon_user_surrogate", "post_logon_user_surrogate"),
    "metadata": ("query_meta_data", "exchange_meta_data"),
    "user_info": ("get_user_info",),
    "change_password": ("change_account_password",),
    "set_attributes": ("set_context_attributes",),
    "subauth": (*ROUTINES, FILTER),
    "routine": ROUTINES,
    "filter": (FILTER,),
    "control": ("apply_control_token",),
}
_BY_USER_FUNCTION: Final = {
    "sign": ("make_signature", "verify_signature"),
    "seal": ("seal_message", "unseal_message"),
    "export": ("export_security_context", "import_security_context"),
    "complete_token": ("complete_auth_token",),
    "context_token": ("get_context_token",),
    "marshal": ("marshal_attribute_data",),
}
_BY_CAPABILITY: Final = {
    "stream": Capability.STREAM,
    "datagram": Capability.DATAGRAM,
    "checksum": Capability.READONLY_WITH_CHECKSUM,
    "extended_error": Capability.EXTENDED_ERROR,
}
AP_FUNCTIONS: Final = frozenset(
    {
        *LOGON_FUNCTIONS,
        "initialize_package",
        "call_package",
        "call_package_untrusted",
        "call_package_passthrough",
        "logon_terminated",
        "pre_logon_user_surrogate",
        "post_logon_user_surrogate",
        "post_logon_user",
    }
)


def powers_of(
    target: Target, description: Description, *, handshake: bool = False, tokens: bool = False
) -> frozenset[str]:
    """The powers of a package. ``handshake``: the kit knows how to make a context; ``tokens``: with an access token."""
    functions, user = description.functions, description.user_functions
    found = {"any"}
    if target.lsa is not None:
        found.add("lsa")
        legs = {"init_lsa_mode_context", "accept_lsa_mode_context"}
        if functions & AP_FUNCTIONS:
            found.add("ap")
        if functions & set(LOGON_FUNCTIONS):
            found.add("logon")
        if user:
            found.add("user")
    else:
        found.add("plain")
        legs = {"initialize_security_context", "accept_security_context"}
        user = functions
    if legs <= functions:
        found.add("contexts")
    for power, names in _BY_FUNCTION.items():
        if functions & set(names):
            found.add(power)
    for power, names in _BY_USER_FUNCTION.items():
        if set(names) <= user and "contexts" in found:
            found.add(power)
    for power, capability in _BY_CAPABILITY.items():
        if description.info.capabilities & capability:
            found.add(power)
    if found & {"sign", "seal"}:
        found.add("messages")
    if handshake:
        found.add("handshake")
    if tokens:
        found.add("token")
    return frozenset(found)
