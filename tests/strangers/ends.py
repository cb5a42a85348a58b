"""Our two ends, as conversations with strangers want them: the inbox package NTLM by what an application calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from tests.strangers.talk import DOMAIN, HOST, PASSWORD, TARGET, USER, Refused, Wish

import secpkg
from secpkg.contract.flags import AscReq, IscReq
from secpkg.contract.status import SecurityError
from secpkg.testing import LabAuthority

ISC_SIGN: Final = IscReq.INTEGRITY | IscReq.REPLAY_DETECT | IscReq.SEQUENCE_DETECT
ASC_SIGN: Final = AscReq.INTEGRITY | AscReq.REPLAY_DETECT | AscReq.SEQUENCE_DETECT


@contextmanager
def refusing() -> Iterator[None]:
    """What SSPI refuses, as conversations have it: the status, which is all that anybody learns."""
    try:
        yield
    except SecurityError as error:
        raise Refused(error.status.name) from error


class OurEnd:
    """`secpkg.Client` or `secpkg.Server`."""

    def __init__(self, party: secpkg.Client | secpkg.Server) -> None:
        self.party: Final = party

    @property
    def complete(self) -> bool:
        return self.party.complete

    def step(self, token: bytes | None) -> bytes | None:
        with refusing():
            return self.party.step(token)

    def seal(self, data: bytes) -> bytes:
        with refusing():
            return self.party.encrypt(data)

    def unseal(self, data: bytes) -> bytes:
        with refusing():
            return self.party.decrypt(data)

    def sign(self, data: bytes) -> bytes:
        with refusing():
            return self.party.sign(data)

    def verify(self, data: bytes, signature: bytes) -> None:
        with refusing():
            self.party.verify(data, signature)

    def session_key(self) -> bytes | None:
        with refusing():
            return self.party.session_key


class Ours:
    """Authorities that know Alice, and ends in them; closed together."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._labs: dict[tuple[bool, bool], LabAuthority] = {}

    def close(self) -> None:
        self._stack.close()

    def refusals(self) -> list[str]:
        """The reasons of logons that were refused, as the audit record has them."""
        records = [record for lab in self._labs.values() for record in lab.embedded.machine.authority.audit.recent()]
        return [str(record.claimed["reason"]) for record in records if record.event == "audit_logon"]

    def lab(self, *, require_bindings: bool = False, promised_mic: bool = False) -> LabAuthority:
        """The authority of an operator who has so decided."""
        key = (require_bindings, promised_mic)
        if key not in self._labs:
            settings = {
                "dns_computer_name": HOST,
                "channel_bindings": "require" if require_bindings else "when-supported",
                "mic": "when-promised" if promised_mic else "when-able",
                "service_names": [TARGET, f"host/{HOST}"],
            }
            lab = LabAuthority(domain=DOMAIN, modules=["ntlm"], settings={"ntlm": settings})
            self._labs[key] = self._stack.enter_context(lab)
            lab.add_user(USER, password=PASSWORD)
        return self._labs[key]

    def initiator(self, wish: Wish) -> OurEnd:
        """Our initiating end."""
        client = secpkg.Client(
            "NTLM",
            username=wish.user,
            domain=wish.domain,
            password=wish.password,
            target=wish.target,
            channel_bindings=wish.bindings or None,
            requirements=ISC_SIGN * wish.sign | IscReq.CONFIDENTIALITY * wish.seal,
            authority=self.lab(),
        )
        return OurEnd(self._stack.enter_context(client))

    def acceptor(self, wish: Wish, *, require_bindings: bool = False, promised_mic: bool = False) -> OurEnd:
        """Our accepting end. It takes bindings where they are sent, or requires them.

        With `promised_mic` it asks for a MIC only where one is promised, else of everybody who seems able to make one.
        """
        lab = self.lab(require_bindings=require_bindings, promised_mic=promised_mic)
        server = secpkg.Server(
            "NTLM",
            channel_bindings=wish.bindings or None,
            requirements=ASC_SIGN * wish.sign | AscReq.CONFIDENTIALITY * wish.seal,
            authority=lab,
        )
        return OurEnd(self._stack.enter_context(server))
