"""LSA functions that the host answers: what needs no authority, by power, and the one table of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from secpkg.contract.requests import Resume
from secpkg.host.lsa_mode.local import callbacks, callers, lifetime, memory, notifications, shared_memory
from secpkg.host.lsa_mode.local.arguments import check
from secpkg.host.lsa_mode.local.callbacks import Waits

if TYPE_CHECKING:
    from secpkg.host.lsa_mode.running import Running

LOCAL_FUNCTIONS: Final[dict[str, Callable[..., object]]] = {
    "allocate_lsa_heap": memory.allocate_lsa_heap,
    "free_lsa_heap": memory.free_lsa_heap,
    "allocate_private_heap": memory.allocate_private_heap,
    "free_private_heap": memory.free_private_heap,
    "protect_memory": memory.protect_memory,
    "unprotect_memory": memory.unprotect_memory,
    "map_buffer": memory.map_buffer,
    "create_shared_memory": shared_memory.create_shared_memory,
    "allocate_shared_memory": shared_memory.allocate_shared_memory,
    "free_shared_memory": shared_memory.free_shared_memory,
    "delete_shared_memory": shared_memory.delete_shared_memory,
    "get_client_info": callers.get_client_info,
    "get_client_info_ex": callers.get_client_info_ex,
    "get_call_info": callers.get_call_info,
    "get_extended_call_flags": callers.get_extended_call_flags,
    "query_client_request": callers.query_client_request,
    "impersonate_client": callers.impersonate_client,
    "get_app_mode_info": callers.get_app_mode_info,
    "set_app_mode_info": callers.set_app_mode_info,
    "register_notification": notifications.register_notification,
    "cancel_notification": notifications.cancel_notification,
    "create_thread": notifications.create_thread,
    "client_callback": callbacks.client_callback,
    "unload_package": lifetime.unload_package,
}
"""By Python name: called with the running call and the arguments of the contract. One that returns `Waits` answers
later.
"""


def answer_here(running: Running, function: str, arguments: tuple[object, ...], resume: Resume) -> object:
    """Answer a function of `LOCAL_FUNCTIONS`; STATUS_INVALID_PARAMETER for arguments that its signature refuses."""
    check(function, arguments)
    value = LOCAL_FUNCTIONS[function](running, *arguments)
    return value.begin(resume) if isinstance(value, Waits) else value


__all__ = ["LOCAL_FUNCTIONS", "answer_here"]
