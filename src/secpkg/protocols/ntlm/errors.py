"""Why an exchange or a protected message was refused: a named reason, the rule that was broken, whose fault it was."""

from enum import StrEnum


class Fault(StrEnum):
    """Who broke the rule."""

    PEER = "peer"
    """What came over the wire."""
    CALLER = "caller"
    """What the program that drives the machine handed in."""


class Reason(StrEnum):
    """The rules that can be broken. Members are stable: audit records and vectors use their values.

    The peer learns none of them: it is told that the logon was denied.
    """

    # The shape of a message.
    MALFORMED = "malformed"
    TOO_LONG = "too_long"
    UNEXPECTED_MESSAGE = "unexpected_message"
    FIELD_OUT_OF_RANGE = "field_out_of_range"
    FIELD_OVERLAP = "field_overlap"
    FIELD_MISALIGNED = "field_misaligned"
    FIELD_LENGTH = "field_length"
    CHARACTER_SET_MISSING = "character_set_missing"
    TEXT_MALFORMED = "text_malformed"
    AV_PAIR_TRUNCATED = "av_pair_truncated"
    AV_PAIR_DUPLICATE = "av_pair_duplicate"
    AV_PAIR_LENGTH = "av_pair_length"
    AV_END_MISSING = "av_end_missing"
    RESPONSE_MALFORMED = "response_malformed"

    # What is too weak for us.
    LM_RESPONSE = "lm_response"
    NTLM_V1 = "ntlm_v1"
    ANONYMOUS = "anonymous"
    NTLM_MISSING = "ntlm_missing"
    INTEGRITY_MISSING = "integrity_missing"
    CONFIDENTIALITY_MISSING = "confidentiality_missing"
    EXTENDED_SESSION_SECURITY_MISSING = "extended_session_security_missing"
    KEY_TOO_SHORT = "key_too_short"
    KEY_EXCHANGE_MISSING = "key_exchange_missing"
    LM_SESSION_KEY = "lm_session_key"
    DATAGRAM_MISMATCH = "datagram_mismatch"
    TARGET_INFO_MISSING = "target_info_missing"

    # What was proved, and did not hold.
    PROOF_MISMATCH = "proof_mismatch"
    MIC_MISSING = "mic_missing"
    MIC_MISMATCH = "mic_mismatch"
    TARGET_INFO_MISMATCH = "target_info_mismatch"
    BINDING_MISMATCH = "binding_mismatch"
    BINDING_UNSUPPORTED = "binding_unsupported"
    BINDING_REQUIRED = "binding_required"
    TARGET_NAME_MISMATCH = "target_name_mismatch"
    TARGET_NAME_MISSING = "target_name_missing"
    TARGET_NAME_UNTRUSTED = "target_name_untrusted"
    CLOCK_SKEW = "clock_skew"
    REFLECTION = "reflection"

    # Messages of a finished context.
    NOT_NEGOTIATED = "not_negotiated"
    OUT_OF_SEQUENCE = "out_of_sequence"
    SEQUENCE_EXHAUSTED = "sequence_exhausted"
    SIGNATURE_MISMATCH = "signature_mismatch"
    STREAM_BROKEN = "stream_broken"

    BAD_ARGUMENT = "bad_argument"


class Rejected(Exception):
    """The only exception that this protocol raises.

    ``rule`` is a fixed sentence naming what was broken; it never holds anything from the exchange.
    """

    def __init__(self, reason: Reason, rule: str, fault: Fault = Fault.PEER) -> None:
        super().__init__(f"{reason} ({fault}): {rule}")
        self.reason = reason
        self.rule = rule
        self.fault = fault


def bad_argument(rule: str) -> Rejected:
    """What a wrong argument of the caller's raises."""
    return Rejected(Reason.BAD_ARGUMENT, rule, Fault.CALLER)
