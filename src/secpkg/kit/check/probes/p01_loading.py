"""What a package says of itself: how it loads, what its tables hold, how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from secpkg.contract.flags import Capability
from secpkg.contract.reference import member_names
from secpkg.host.lsa_mode.load import LOGON_FUNCTIONS
from secpkg.kit.check.model import Finding, broken, judged, kept, probe, skipped
from secpkg.kit.check.powers import AP_FUNCTIONS
from secpkg.kit.check.subject import Subject

_PAIRS: Final = (
    ("make_signature", "verify_signature"),
    ("seal_message", "unseal_message"),
    ("export_security_context", "import_security_context"),
    ("query_meta_data", "exchange_meta_data"),
)
_ANNOUNCED: Final = {
    Capability.INTEGRITY: ("make_signature", "seal_message"),  # of a stream, what is sealed has integrity
    Capability.PRIVACY: ("seal_message",),
}
_CONTEXTS: Final = Capability.INTEGRITY | Capability.PRIVACY | Capability.CONNECTION | Capability.DATAGRAM


@probe("loading", "R20", "R21", "R22", "R27", "R33", "R34", "R38", needs="lsa")
def loading(subject: Subject) -> Iterator[Finding]:
    """The module loads, says who it is, and ends."""
    text = "loaded: " + ", ".join(subject.description.names)
    for rule in ("R20", "R21", "R22", "R27"):
        yield kept(rule, text)
    yield kept("R33", f"{subject.info.name}: {subject.info.comment!r}")
    yield kept("R34", f"version {subject.info.version}, rpc id {subject.info.rpc_id:#x}")
    with subject.bench("shutdown") as bench:
        watch = bench.watch
        bench.close()
        failed = [seen for seen in watch.of("shutdown") if seen.error is not None]
    if failed:
        yield broken("R38", f"SpShutdown fails with {type(failed[0].error).__name__}")
    elif watch.count("shutdown"):
        yield kept("R38", "SpShutdown ran and released what there was")
    else:
        yield kept("R38", "there is no SpShutdown: nothing to release is left to it")


@probe("tables", "R5", "R171", needs="lsa")
def tables(subject: Subject) -> Iterator[Finding]:
    """What the tables have is whole; what they have not answers the documented "unsupported" (R24)."""
    functions, info = subject.description.functions, subject.info
    faults = []
    logs_on = functions & set(LOGON_FUNCTIONS)
    if logs_on and not info.capabilities & Capability.LOGON:
        faults.append("it logs users on and does not announce LOGON")
    if info.capabilities & Capability.LOGON and not functions & AP_FUNCTIONS:
        faults.append("it announces LOGON and has no LsaAp* function at all")
    missing = sorted(AP_FUNCTIONS - functions) if "ap" in subject.powers else []
    yield judged("R5", faults, f"LsaAp* functions are whole; NULL entries: {', '.join(missing) or 'none'}")
    faults = []
    both = functions | subject.description.user_functions
    for one, other in _PAIRS:
        if (one in both) != (other in both):
            faults.append(f"of {one} and {other} it has one alone")
    if info.capabilities & _CONTEXTS:
        for name in ("acquire_credentials_handle",):
            if name not in functions:
                faults.append(f"it announces contexts and has no {name}")
        legs = {"init_lsa_mode_context", "accept_lsa_mode_context"}
        wanted = {"init_lsa_mode_context"} if info.capabilities & Capability.CLIENT_ONLY else legs
        faults += [f"it announces contexts and has no {name}" for name in sorted(wanted - functions)]
    known = set(member_names("lsa_mode")) | set(member_names("authentication_package"))
    empty = len(known - functions)
    yield judged("R171", faults, f"functions are whole; {empty} entries are NULL and answer that they are unsupported")


@probe("name", "R32", "R40", needs="ap")
def name(subject: Subject) -> Iterator[Finding]:
    """Under which name and with which function the package logs on."""
    if "initialize_package" in subject.description.functions:
        with subject.bench("name") as bench:
            named = [one for one in bench.hosted if one.info.name == subject.package]
            said = _said_name(subject)
            faults = [] if not said or said == named[0].info.name else [
                f"LsaApInitializePackage returns {said!r}, and SpGetInfo {named[0].info.name!r}"
            ]  # fmt: skip
            yield judged("R32", faults, f"its name is {subject.package!r} on both sides")
    else:
        yield skipped("R32", "there is no LsaApInitializePackage")
    logs_on = sorted(subject.description.functions & set(LOGON_FUNCTIONS))
    if not logs_on:
        yield skipped("R40", "the package logs nobody on")
        return
    several = [] if len(logs_on) == 1 else [f"it has {', '.join(logs_on)}: only the newest is ever called"]
    yield judged("R40", several, f"{logs_on[0]} is the one logon function")


def _said_name(subject: Subject) -> str:
    """What LsaApInitializePackage returns: asked of a module that was loaded for this alone."""
    from secpkg.host.lsa_mode import load

    told: list[str] = []
    original = load._run

    async def listening(table: dict[str, object], function: str, *arguments: object) -> object:
        value = await original(table, function, *arguments)  # type: ignore[arg-type]  # the same table
        if function == "initialize_package" and isinstance(value, str):
            told.append(value)
        return value

    load._run = listening  # type: ignore[assignment]  # for the time of one load
    try:
        with subject.bench("name once more"):
            pass
    finally:
        load._run = original
    place = subject.description.names.index(subject.package)
    own = told[1:]  # the first one is the companion's
    return own[place] if len(own) == len(subject.description.names) else ""


@probe("user half", "R6", "R158", "R159", "R163", "R231", needs="contexts")
def user_half(subject: Subject) -> Iterator[Finding]:
    """The user half is there, starts, and has what the capabilities promise."""
    info, functions = subject.info, subject.description.user_functions
    messages = Capability.INTEGRITY | Capability.PRIVACY
    if "lsa" in subject.powers:
        fault = subject.description.user_fault
        if fault:
            rule = "R159" if "SpInstanceInit" in fault else "R158" if "SpUserModeInitialize" in fault else "R6"
            yield broken(rule, fault)
        elif not functions and info.capabilities & messages:
            yield broken("R6", "it announces INTEGRITY or PRIVACY and has no user half")
        elif functions:
            for rule in ("R6", "R158", "R159"):
                yield kept(rule, f"the user half has {', '.join(sorted(functions))}")
        else:
            yield skipped("R6", "the package protects no messages")
    else:
        functions = subject.description.functions
    missing = [
        f"{capability.name} is announced and there is no {one_of[0]}"
        for capability, one_of in _ANNOUNCED.items()
        if info.capabilities & capability and not functions & set(one_of)
    ]
    if info.capabilities & messages or functions & {"make_signature", "seal_message"}:
        yield judged("R163", missing, "what is announced of messages is in the table")
    else:
        yield skipped("R163", "the package protects no messages")
    semantics = Capability.CONNECTION | Capability.DATAGRAM | Capability.STREAM
    faults = [] if info.capabilities & semantics else ["it makes contexts and announces no semantics for them"]
    yield judged("R231", faults, f"announces {info.capabilities & semantics!r}")
