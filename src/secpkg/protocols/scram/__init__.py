"""SCRAM-SHA-256 (RFC 5802, RFC 7677) with channel binding, sans I/O, without clock and without chance.

Four messages: `Initiator.start` makes client-first, `Acceptor.start` reads it and `challenge` makes server-first,
`ClientFirstSent.receive` makes client-final, `Challenged.receive` makes server-final, `ClientFinalSent.receive` reads
it. Whatever goes wrong is a `Rejected`.
"""

from .acceptor import Acceptor, Challenged, ClientFirstReceived, error
from .errors import Fault, Reason, Rejected
from .initiator import ClientFinalSent, ClientFirstSent, Initiator
from .mechanism import SCRAM_SHA_256
from .values import (
    TLS_EXPORTER,
    TLS_SERVER_END_POINT,
    TLS_UNIQUE,
    BindingPolicy,
    ChannelBinding,
    Done,
    printable_nonce,
)
from .verifier import Verifier, check_password, salted_password

__all__ = [
    "SCRAM_SHA_256",
    "TLS_EXPORTER",
    "TLS_SERVER_END_POINT",
    "TLS_UNIQUE",
    "Acceptor",
    "BindingPolicy",
    "Challenged",
    "ChannelBinding",
    "ClientFinalSent",
    "ClientFirstReceived",
    "ClientFirstSent",
    "Done",
    "Fault",
    "Initiator",
    "Reason",
    "Rejected",
    "Verifier",
    "check_password",
    "error",
    "printable_nonce",
    "salted_password",
]
