"""Configuration and authority."""

from __future__ import annotations

from typing import Final

from secpkg.kit.doctor.causes.stage import stage
from secpkg.kit.doctor.checks import reaching
from secpkg.kit.doctor.model import Cause

CAUSES: Final[tuple[Cause, ...]] = (
    *stage(
        "configuration",
        (
            "configuration_unreadable",
            reaching.configuration_unreadable,
            "the configuration file cannot be read: {detail}",
            "chmod a+r {file}",
        ),
        (
            "configuration_invalid",
            reaching.configuration_invalid,
            "the configuration file is not understood: {detail}",
            "correct {file}, then run secpkg doctor again",
        ),
        (
            "address_without_path",
            reaching.address_without_path,
            "{source} says {address!r}, and the path of a socket must be absolute",
            "export SECPKG_AUTHORITY=unix:{absolute}",
        ),
        (
            "address_without_scheme",
            reaching.address_without_scheme,
            "{source} says {address!r}, a path without unix: before it",
            "export SECPKG_AUTHORITY=unix:{address}",
        ),
        (
            "address_misspelt",
            reaching.address_not_unix,
            "{source} says {address!r}, which is neither unix:/path nor embedded:",
            "export SECPKG_AUTHORITY=unix:/run/secpkg/lsa.sock",
        ),
    ),
    *stage(
        "authority",
        (
            "embedded_without_modules",
            reaching.embedded_without_modules,
            "no authority is chosen, and the embedded one of each process has no modules",
            "{mend}",
        ),
        (
            "socket_elsewhere",
            reaching.socket_nearby,
            "there is no authority at {path}, which {source} names, but one at {nearby}",
            "export SECPKG_AUTHORITY=unix:{nearby}",
        ),
        (
            "socket_directory_missing",
            reaching.directory_missing,
            "the authority is down: {directory}, where {source} puts its socket, does not exist",
            "secpkg authority run --dir {directory}",
        ),
        (
            "socket_missing",
            reaching.socket_missing,
            "the authority is down: there is no socket {path}, which {source} names",
            "secpkg authority run --socket {path} --dir {directory}",
        ),
        (
            "not_a_socket",
            reaching.not_a_socket,
            "{path} is no socket",
            "export SECPKG_AUTHORITY=unix:{directory}/lsa.sock",
        ),
        (
            "socket_denied",
            reaching.socket_denied,
            "uid {me} may not open {path} (mode {mode}, owner uid {owner})",
            "sudo chmod a+x {directory}",
        ),
        (
            "foreign_uid",
            reaching.foreign_uid,
            "{path} is served by uid {owner}, which may not be an authority for uid {me}",
            "echo 'authority_uids = [{owner}]' >> ~/.config/secpkg/secpkg.toml",
        ),
        (
            "authority_died",
            reaching.authority_died,
            "the authority is down: nobody listens on {path} any more",
            "secpkg authority run --socket {path} --dir {directory}",
        ),
        (
            "protocol_version",
            reaching.protocol_version,
            "the authority at {path} is another version of secpkg",
            "secpkg authority stop, then secpkg authority run of this environment",
        ),
        (
            "authority_silent",
            reaching.authority_silent,
            "the authority at {path} does not answer ({reason})",
            "secpkg authority stop, then secpkg authority run",
        ),
        (
            "trusted_socket_denied",
            reaching.trusted_denied,
            "uid {me} may not ask the authority about packages: the trusted socket {path} belongs to {owner}",
            "sudo {secpkg} doctor {name}",
        ),
        (
            "not_trusted",
            reaching.not_trusted,
            "the authority does not trust uid {me} ({reason})",
            "secpkg authority run --trust {me}",
        ),
    ),
)
