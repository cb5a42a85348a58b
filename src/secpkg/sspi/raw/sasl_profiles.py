"""SASL profiles: which package is behind the name of a mechanism, and how a first message tells it.

The documents keep the list in the registry (``SaslProfiles``). Here it is data, to which whoever brings a package adds
a profile of its own; of those, the ones whose package is there are announced.
"""

from __future__ import annotations

import re
from typing import Final

from secpkg.contract.flags import BufferType
from secpkg.contract.floor import floor
from secpkg.contract.status import SecurityError, Status
from secpkg.contract.values import Message, PackageInfo, Value
from secpkg.host.user_mode.contexts import TYPE_MASK
from secpkg.sspi.raw.packages import enumerate_security_packages

_MECHANISM: Final = re.compile(r"[A-Z0-9_-]{1,20}\Z")  # a mechanism's name: RFC 4422 section 3.1
_NAME: Final = re.compile(rb"([A-Za-z0-9_-]{1,20})(?:[\0 \r\n]|\Z)")
_GSS: Final = re.compile(rb"\x60(?:[\x00-\x7f]|\x81.|\x82..|\x83...)\x06(.)", re.DOTALL)


class SaslProfile(Value, frozen=True):
    """A mechanism and its package. A first message of it may begin with ``prefix``, or, framed as RFC 2743 section 3.1
    has it, with the object identifier ``oid`` (contents of the DER value); empty: neither.
    """

    mechanism: str
    package: str
    prefix: bytes = b""
    oid: bytes = b""


PROFILES: Final[dict[str, SaslProfile]] = {
    profile.mechanism: profile
    for profile in (
        SaslProfile("GSSAPI", "Kerberos", oid=bytes.fromhex("2a864886f712010202")),  # RFC 4121 section 4.1
        SaslProfile("GSS-SPNEGO", "Negotiate", oid=bytes.fromhex("2b0601050502")),  # RFC 4178 section 1
        SaslProfile("NTLM", "NTLM", prefix=b"NTLMSSP\0"),
        SaslProfile("DIGEST-MD5", "WDigest"),
        SaslProfile("EXTERNAL", "Schannel"),
    )
}
"""By mechanism; in the order in which they are announced."""


def add_sasl_profile(profile: SaslProfile) -> None:
    """Announce a mechanism in this process. ValueError for a name that RFC 4422 does not allow, and for one that is
    taken by another package.
    """
    if not _MECHANISM.match(profile.mechanism):
        raise ValueError(f"{profile.mechanism!r} is no name of a SASL mechanism")
    known = PROFILES.get(profile.mechanism)
    if known is not None and known != profile:
        raise ValueError(f"{profile.mechanism} belongs to {known.package}")
    PROFILES[profile.mechanism] = profile


def remove_sasl_profile(mechanism: str) -> None:
    """Announce it no more. Harmless when it is not announced."""
    PROFILES.pop(mechanism, None)


def _packages(authority: object) -> dict[str, PackageInfo]:
    status, packages = enumerate_security_packages(authority)
    if status.is_error:
        raise SecurityError(status, reason="packages_unknown")
    return {info.name.casefold(): info for info in reversed(packages)}


@floor("sspi", "SaslEnumerateProfiles")
def sasl_enumerate_profiles(authority: object = None) -> tuple[Status, tuple[str, ...]]:
    """SaslEnumerateProfiles: the mechanisms whose package is there. Page: sspi/nf-sspi-saslenumerateprofilesw."""
    packages = _packages(authority)
    return Status.SEC_E_OK, tuple(p.mechanism for p in PROFILES.values() if p.package.casefold() in packages)


@floor("sspi", "SaslGetProfilePackage", wrong={"profile_name": Status.SEC_E_SECPKG_NOT_FOUND})
def sasl_get_profile_package(profile_name: str, authority: object = None) -> tuple[Status, PackageInfo | None]:
    """SaslGetProfilePackage: SEC_E_SECPKG_NOT_FOUND for an unknown mechanism, and for one whose package is not there.
    Page: sspi/nf-sspi-saslgetprofilepackagew.
    """
    profile = PROFILES.get(profile_name.upper())
    if profile is None:
        return Status.SEC_E_SECPKG_NOT_FOUND, None
    info = _packages(authority).get(profile.package.casefold())
    return (Status.SEC_E_OK, info) if info is not None else (Status.SEC_E_SECPKG_NOT_FOUND, None)


@floor("sspi", "SaslIdentifyPackage")
def sasl_identify_package(input: Message, authority: object = None) -> tuple[Status, PackageInfo | None]:
    """SaslIdentifyPackage: the package that a first message is for: its one TOKEN buffer begins with the mechanism's
    name and an end of word, or with what the mechanism's tokens begin with. SEC_E_INVALID_TOKEN without that buffer,
    SEC_E_SECPKG_NOT_FOUND. Page: sspi/nf-sspi-saslidentifypackagew.
    """
    tokens = [buffer for buffer in input if buffer.type & TYPE_MASK == BufferType.TOKEN]
    if len(tokens) != 1:
        return Status.SEC_E_INVALID_TOKEN, None
    mechanism = _identify(bytes(tokens[0].data))
    return sasl_get_profile_package(mechanism, authority) if mechanism else (Status.SEC_E_SECPKG_NOT_FOUND, None)


def _identify(data: bytes) -> str:
    named = [p for p in PROFILES.values() if p.prefix and data.startswith(p.prefix)]
    if named:
        return max(named, key=lambda profile: len(profile.prefix)).mechanism
    framed = _GSS.match(data)
    if framed is not None:
        start = framed.end()
        size = framed[1][0]
        oid = data[start : start + size]
        return next((p.mechanism for p in PROFILES.values() if len(oid) == size and oid and p.oid == oid), "")
    name = _NAME.match(data)
    return name[1].decode().upper() if name is not None else ""
