"""Configuration and authority: which one is meant, and whether it answers."""

from __future__ import annotations

import os

from secpkg.kit.doctor.facts import Facts, Socket
from secpkg.kit.doctor.model import Check, Evidence


def _file(facts: Facts) -> tuple[str, ...]:
    return tuple(f"configuration file: {path}" for path in facts.configured.files) or (
        "no configuration file is there",
    )


def _fault(*reasons: str) -> Check:
    def check(facts: Facts) -> Evidence | None:
        configured = facts.configured
        if configured.fault not in reasons:
            return None
        values = {"source": configured.source, "address": configured.address, "detail": configured.detail}
        return Evidence({**values, "file": next(iter(configured.files), "secpkg.toml")}, _file(facts))

    return check


configuration_unreadable = _fault("configuration_unreadable")
configuration_invalid = _fault("configuration_invalid")
address_not_unix = _fault("authority_address")


def address_without_path(facts: Facts) -> Evidence | None:
    """``unix:`` with a relative path."""
    configured = facts.configured
    if configured.fault != "authority_address" or not configured.address.startswith("unix:"):
        return None
    path = configured.address.removeprefix("unix:")
    return Evidence({"source": configured.source, "address": configured.address, "absolute": os.path.abspath(path)})


def address_without_scheme(facts: Facts) -> Evidence | None:
    """A bare path."""
    configured = facts.configured
    if configured.fault != "authority_address" or not configured.address.startswith("/"):
        return None
    return Evidence({"source": configured.source, "address": configured.address})


def _down(facts: Facts) -> Socket | None:
    return facts.reached.socket if facts.reached.state == "down" else None


def _how(facts: Facts, socket: Socket) -> Evidence:
    source = f"the authority is {facts.configured.address}, says {facts.configured.source}"
    nearby = tuple(f"there is a socket {path}" for path in socket.nearby)
    values = {
        "path": socket.path,
        "directory": os.path.dirname(socket.path),
        "source": facts.configured.source,
        "uid": str(facts.reached.server_uid),
        "owner": str(socket.uid),
        "me": str(os.geteuid()),
        "nearby": next(iter(socket.nearby), ""),
        "mode": f"{socket.mode:04o}",
        "reason": facts.reached.reason,
    }
    return Evidence(values, (source, *nearby))


def socket_nearby(facts: Facts) -> Evidence | None:
    """No socket there, but one that looks like it, or where an authority puts its own."""
    socket = _down(facts)
    return _how(facts, socket) if socket and socket.kind == "missing" and socket.nearby else None


def directory_missing(facts: Facts) -> Evidence | None:
    """Not even the directory."""
    socket = _down(facts)
    return _how(facts, socket) if socket and socket.kind == "missing" and not socket.directory else None


def socket_missing(facts: Facts) -> Evidence | None:
    """The directory is there, the socket is not: the authority was never started, or stopped."""
    socket = _down(facts)
    return _how(facts, socket) if socket and socket.kind == "missing" else None


def not_a_socket(facts: Facts) -> Evidence | None:
    """The path names something else."""
    socket = _down(facts)
    return _how(facts, socket) if socket and socket.kind == "other" else None


def socket_denied(facts: Facts) -> Evidence | None:
    """A directory or the socket does not let us in."""
    socket = _down(facts)
    denied = socket and (socket.kind == "unreachable" or facts.reached.errno in ("EACCES", "EPERM"))
    return _how(facts, socket) if socket and denied else None


def foreign_uid(facts: Facts) -> Evidence | None:
    """Somebody else serves the socket (lock 1)."""
    socket = _down(facts)
    return _how(facts, socket) if socket and facts.reached.reason == "authority_foreign_uid" else None


def authority_died(facts: Facts) -> Evidence | None:
    """A socket that nobody listens on."""
    socket = _down(facts)
    return _how(facts, socket) if socket and facts.reached.errno == "ECONNREFUSED" else None


def protocol_version(facts: Facts) -> Evidence | None:
    """Another version of secpkg."""
    socket = _down(facts)
    return _how(facts, socket) if socket and facts.reached.reason == "protocol_version" else None


def authority_silent(facts: Facts) -> Evidence | None:
    """It takes connections and does not answer, or anything else that went wrong."""
    socket = _down(facts)
    return _how(facts, socket) if socket else None


def _untrusted(facts: Facts) -> bool:
    return facts.reached.state == "up" and not facts.reached.trusted


def trusted_denied(facts: Facts) -> Evidence | None:
    """The trusted socket is not ours to open (lock 2, R84)."""
    if not _untrusted(facts) or facts.reached.trusted_reason not in ("trusted_socket_refused",):
        return None
    socket = facts.reached.trusted_socket
    owner = "another user" if socket is None else f"uid {socket.uid}"
    return Evidence({"owner": owner, "me": str(os.geteuid()), "path": "" if socket is None else socket.path})


def not_trusted(facts: Facts) -> Evidence | None:
    """It could be opened, and the authority does not count us among the trusted."""
    if not _untrusted(facts):
        return None
    return Evidence(
        {"me": str(os.geteuid()), "reason": facts.reached.trusted_reason},
        ("who is trusted: root, the authority's own uid, and those given with --trust (R84)",),
    )


def embedded_without_modules(facts: Facts) -> Evidence | None:
    """Nobody chose an authority, and the embedded one has nothing to load."""
    configured = facts.configured
    if not facts.embedded or configured.security_packages or configured.security_providers:
        return None
    nearby = facts.reached.socket.nearby if facts.reached.socket is not None else ()
    chosen = f"export SECPKG_AUTHORITY=unix:{nearby[0]}" if nearby else ""
    name = facts.module if facts.module in facts.here.names() else "MODULE"
    file = next(iter(configured.files), "~/.config/secpkg/secpkg.toml")
    return Evidence(
        {"source": configured.source, "mend": chosen or f'add "{name}" to security_packages in {file}'},
        tuple(f"an authority listens on {path}, and nothing here names it" for path in nearby),
    )
