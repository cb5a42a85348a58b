"""NTLM (MS-NLMP), sans I/O, without clock and without chance.

Three messages: `Initiator.start` makes NEGOTIATE, `Acceptor.start` reads it and makes CHALLENGE,
`NegotiateSent.receive` makes AUTHENTICATE, `Challenged.receive` reads it and says which user claims it,
`Presented.verify` decides. Both sides end with `Done`, whose `Session` makes a `Protection` (or `Datagram`). Whatever
goes wrong is a `Rejected`.
"""

from .acceptor import NO_CHANNEL, Acceptor, Challenged, Channel, Presented, check_v1, check_v2
from .authenticate import Authenticate
from .av_pairs import AvPairs, SingleHost
from .bindings import BindingPolicy, ChannelBindings
from .challenge import Challenge
from .errors import Fault, Reason, Rejected
from .flags import AvFlag, AvId, NegotiateFlag
from .hashes import MAX_PASSWORD, decoy_nt_hash, nt_hash
from .initiator import DEFAULT_REQUEST, ENTROPY, Initiator, NegotiateSent, ResponsesV2, respond_v2
from .messages import MAX_MESSAGE, Version, classify
from .negotiate import Negotiate
from .policy import AcceptorPolicy, MicPolicy, Strength, TargetNamePolicy, filetime
from .responses import NtlmV1Response, NtlmV2Response, read_response
from .sealing import SIGNATURE_SIZE, Datagram, Half, Protection, seal_key, sign_key
from .target_info import Target, TargetInfo, TargetType
from .values import Credential, Done, Role, Session

__all__ = [
    "DEFAULT_REQUEST",
    "ENTROPY",
    "MAX_MESSAGE",
    "MAX_PASSWORD",
    "NO_CHANNEL",
    "SIGNATURE_SIZE",
    "Acceptor",
    "AcceptorPolicy",
    "Authenticate",
    "AvFlag",
    "AvId",
    "AvPairs",
    "BindingPolicy",
    "Challenge",
    "Challenged",
    "Channel",
    "ChannelBindings",
    "Credential",
    "Datagram",
    "Done",
    "Fault",
    "Half",
    "Initiator",
    "MicPolicy",
    "Negotiate",
    "NegotiateFlag",
    "NegotiateSent",
    "NtlmV1Response",
    "NtlmV2Response",
    "Presented",
    "Protection",
    "Reason",
    "Rejected",
    "ResponsesV2",
    "Role",
    "Session",
    "SingleHost",
    "Strength",
    "Target",
    "TargetInfo",
    "TargetNamePolicy",
    "TargetType",
    "Version",
    "check_v1",
    "check_v2",
    "classify",
    "decoy_nt_hash",
    "filetime",
    "nt_hash",
    "read_response",
    "respond_v2",
    "seal_key",
    "sign_key",
]
