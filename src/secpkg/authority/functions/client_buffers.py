"""The client's memory: what a package returns to the application, and what it reads of it (R124, R125)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from secpkg.authority.functions.table import lsa_function

if TYPE_CHECKING:
    from secpkg.authority.lsa import LocalSecurityAuthority
    from secpkg.authority.targets import Origin


@lsa_function("allocate_client_buffer")
def allocate_client_buffer(authority: LocalSecurityAuthority, origin: Origin, length: int) -> int:
    """AllocateClientBuffer (R124, R127): the buffer ends with the call at the latest."""
    return origin.memory(authority).allocate(length)


@lsa_function("free_client_buffer")
def free_client_buffer(authority: LocalSecurityAuthority, origin: Origin, client_base_address: int) -> None:
    """FreeClientBuffer (R126): an address that would crash the client is refused here."""
    if client_base_address:
        origin.memory(authority).free(client_base_address)


@lsa_function("copy_to_client_buffer")
def copy_to_client_buffer(
    authority: LocalSecurityAuthority, origin: Origin, client_base_address: int, data: bytes
) -> None:
    """CopyToClientBuffer (R125)."""
    origin.memory(authority).write(client_base_address, data)


@lsa_function("copy_from_client_buffer")
def copy_from_client_buffer(
    authority: LocalSecurityAuthority, origin: Origin, client_base_address: int, length: int
) -> bytes:
    """CopyFromClientBuffer (R125)."""
    return origin.memory(authority).read(client_base_address, length)
