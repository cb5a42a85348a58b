"""For ``secpkg check ntlm``: what MS-NLMP decides and no implementation of it can."""

EXEMPT = {
    "R217": "MS-NLMP 3.4.4: on a connection SeqNum is NTLM's own counter, in a signature that a peer elsewhere "
    "computes; the application's number is bound in datagrams",
    "R228": "MS-NLMP 3.1.5.2: a connectionless session has no key before the acceptor's CHALLENGE_MESSAGE",
}
