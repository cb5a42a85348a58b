"""Why an exchange ended: a named reason, the rule that was broken, and whose fault it was."""

from enum import StrEnum


class Fault(StrEnum):
    """Who broke the rule."""

    PEER = "peer"
    """What came over the wire."""
    CALLER = "caller"
    """What the program that drives the machine handed in."""
    STORE = "store"
    """A verifier that was read back from where verifiers are kept."""


class Reason(StrEnum):
    """The rules that can be broken. Members are stable: audit records and vectors use their values."""

    MALFORMED = "malformed"
    TOO_LONG = "too_long"
    UNEXPECTED_MESSAGE = "unexpected_message"
    MANDATORY_EXTENSION = "mandatory_extension"
    AUTHORIZATION_IDENTITY = "authorization_identity"
    USERNAME_PROHIBITED = "username_prohibited"
    PASSWORD_PROHIBITED = "password_prohibited"
    NONCE_MISMATCH = "nonce_mismatch"
    BINDING_MISMATCH = "binding_mismatch"
    BINDING_UNSUPPORTED = "binding_unsupported"
    BINDING_REQUIRED = "binding_required"
    DOWNGRADE = "downgrade"
    ITERATIONS_OUT_OF_RANGE = "iterations_out_of_range"
    SALT_OUT_OF_RANGE = "salt_out_of_range"
    PROOF_MISMATCH = "proof_mismatch"
    SERVER_SIGNATURE_MISMATCH = "server_signature_mismatch"
    SERVER_ERROR = "server_error"
    BAD_ARGUMENT = "bad_argument"
    VERIFIER_MALFORMED = "verifier_malformed"


class Rejected(Exception):
    """The only exception that this protocol raises.

    ``rule`` is a fixed sentence naming the section that was broken; it never holds anything from the exchange.
    ``server_error`` is the RFC 5802 section 7 ``server-error-value`` when the reason is SERVER_ERROR, else None.
    """

    def __init__(
        self, reason: Reason, rule: str, fault: Fault = Fault.PEER, *, server_error: str | None = None
    ) -> None:
        super().__init__(f"{reason} ({fault}): {rule}")
        self.reason = reason
        self.rule = rule
        self.fault = fault
        self.server_error = server_error
