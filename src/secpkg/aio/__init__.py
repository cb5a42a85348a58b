"""The paved path for asyncio: the same operations as the blocking one, with their waits awaited."""

from secpkg.aio import lsa
from secpkg.aio.sspi import AccessToken, Client, Credential, Server, run_as

__all__ = ["AccessToken", "Client", "Credential", "Server", "lsa", "run_as"]
