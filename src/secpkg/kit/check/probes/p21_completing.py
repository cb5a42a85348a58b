"""Tokens that have to be completed before they are sent, and attributes: those that are set, those that are packed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from secpkg.contract.flags import ContextAttribute
from secpkg.contract.status import SecurityError, Status
from secpkg.kit.check.exchange import Exchange, Side
from secpkg.kit.check.model import Finding, judged, probe, skipped
from secpkg.kit.check.subject import Subject

_UNICODE_STRINGS: Final = 0x80000000
_UNKNOWN: Final = (0x12345, 0x7FFF0001)
_KNOWN: Final = tuple(int(attribute) for attribute in ContextAttribute)
_VALUES: Final = (b"\x01\x00\x00\x00", bytes(8), b"another", b"")


@probe("tokens to complete", "R189", "K14", "K13", needs="handshake")
def tokens_to_complete(subject: Subject) -> Iterator[Finding]:
    """A token that has to be completed is no good before it is."""
    with subject.parties("tokens to complete") as parties:
        made = parties.exchange().run()
        legs = [leg for side in (made.client, made.server) for leg in side.legs if leg.to_complete]
        ends = made.client.ends() if "complete_token" in subject.powers else None
        if ends is not None:
            for garbage in (b"", b"\0", bytes(500), legs[0].token[:-1] if legs else b"a token"):
                with suppress(Exception):  # what it raises is told by who watches every call
                    ends.call("complete_auth_token", garbage)
        made.close()
        if not legs:
            yield skipped("R189", "no leg says COMPLETE_NEEDED")
            return
        changed = any(leg.token != leg.uncompleted for leg in legs)
        yield judged(
            "K14",
            [] if changed else ["SpCompleteAuthToken gives every token back as it was: it completes nothing"],
            "what is completed is another token",
        )
        if changed:
            one = _sent_uncompleted(parties.exchange())
            faults = ["a token that was not completed is taken all the same"] if one.complete else []
            yield judged("R189", faults, f"{len(legs)} tokens were completed, and are not taken before")
            one.close()


def _sent_uncompleted(one: Exchange) -> Exchange:
    def alter(place: int, token: bytes) -> bytes:
        leg = (one.server if one.tokens[place][0] else one.client).legs[-1]
        return leg.uncompleted if leg.to_complete else token

    return one.run(alter)


@probe("set attributes", "R205", "K5", "K14", "K13", needs="handshake set_attributes")
def set_attributes(subject: Subject) -> Iterator[Finding]:
    """What cannot be set says so; what can be has an effect, and is not who the peer is."""
    faults, changed, idle, taken = [], [], [], 0
    with subject.parties("set attributes") as parties:
        made = parties.exchange().run()
        for side in (made.client, made.server):
            name = "server" if side.accept else "client"
            before = _who(side)
            for attribute in (*_KNOWN, *_UNKNOWN):
                seen = []
                for value in _VALUES:
                    status = _set(side, attribute, value)
                    if status is None:
                        taken += 1
                        if attribute in _UNKNOWN:
                            faults.append(f"the {name} sets attribute {attribute:#x}, which nobody knows")
                        else:
                            seen.append((value, side.attribute(attribute)))
                    elif attribute in _UNKNOWN and status is not Status.SEC_E_UNSUPPORTED_FUNCTION:
                        faults.append(
                            f"attribute {attribute:#x}, which nobody knows, is refused with {status.name}, "
                            "not SEC_E_UNSUPPORTED_FUNCTION"
                        )
                told = [answer for _, answer in seen]
                if len(told) > 1 and told[0] is not None and all(answer == told[0] for answer in told):
                    idle.append(f"{ContextAttribute(attribute).name} is set to {len(told)} values and stays as it was")
            if _who(side) != before:
                changed.append(f"the {name}'s peer, keys or flags are others after SetContextAttributes")
        made.close()
    yield judged("R205", list(dict.fromkeys(faults)), f"what cannot be set is refused; {taken} values were taken")
    yield judged("K5", changed, "the peer, the keys and the flags cannot be set")
    yield judged("K14", idle, "what is set has an effect")


def _who(side: Side) -> tuple[object, ...]:
    return side.peer(), side.key(), side.attribute(ContextAttribute.FLAGS), side.attribute(ContextAttribute.SIZES)


def _set(side: Side, attribute: int, value: bytes) -> Status | None:
    try:
        side.door.set(side.context, attribute, value)
    except SecurityError as error:
        return Status(error.status)
    except Exception:  # told by who watches every call
        return Status.SEC_E_UNSUPPORTED_FUNCTION
    return None


@probe("packed attributes", "R167", "K13", needs="marshal user")
def packed_attributes(subject: Subject) -> Iterator[Finding]:
    """An attribute that needs no packing has no output, and no error either."""
    faults, packed = [], 0
    with subject.bench("packed attributes") as bench:
        function = bench.load_user().get("marshal_attribute_data")
        if function is None:
            yield skipped("R167", "the version of its table ends before SpMarshalAttributeData")
            return
        for attribute in (*_KNOWN, *_UNKNOWN):
            for data in _VALUES:
                try:
                    output = function(_UNICODE_STRINGS, attribute, data)
                except SecurityError as error:
                    if attribute in _UNKNOWN or error.status is Status.STATUS_NOT_SUPPORTED:
                        faults.append(f"attribute {attribute:#x} ends with {error.status.name}, and not with None")
                    continue
                except Exception:  # told by who watches every call
                    continue
                if output is None:
                    continue
                packed += 1
                if not isinstance(output, bytes):
                    faults.append(f"attribute {attribute:#x} becomes {type(output).__name__}, not bytes")
                elif attribute in _UNKNOWN:
                    faults.append(f"attribute {attribute:#x}, which nobody knows, has {len(output)} bytes of output")
    yield judged("R167", list(dict.fromkeys(faults)), f"{packed} values were packed; the others have no output")
