"""What a logon application calls: connect, or register as a logon process, and log users on.

The documented functions one to one are in `secpkg.lsa.raw`.
"""

from secpkg.lsa.client import Logon, Lsa, connect, register_logon_process

__all__ = ["Logon", "Lsa", "connect", "register_logon_process"]
