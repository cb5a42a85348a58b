"""The Local Security Authority: packages, logon sessions, access tokens, credentials, policy, audit, LSA functions.

It knows accounts and the contract, and no transport: `secpkg.runtime` puts it behind a socket or into a process.
"""
