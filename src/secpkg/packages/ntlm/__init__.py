"""NTLM, and MSV1_0 of the documents: the inbox SSP/AP for accounts of this authority.

The wire is `secpkg.protocols.ntlm`; here is what a package adds to it: whose credentials, against which account, under
which policy, on whose record.

- ``lsa_mode``: the logons (LsaAp*), the contexts in the making (Sp*), the services of LsaCallAuthenticationPackage.
- ``user_mode``: sign and seal in the application.
- ``packed_context``: all that the two share.
"""
