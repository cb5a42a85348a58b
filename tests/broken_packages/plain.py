"""SoundPlain: a plain SSP without a fault, with Sound's protocol and messages. Its keys are in pAuthData, `KEYRING`."""

from __future__ import annotations

import hmac
from collections.abc import Coroutine
from pathlib import Path

from tests.broken_packages import wire
from tests.broken_packages.packed import PackedContext
from tests.broken_packages.sound import Accepting, Contexts, Credential, Initiating
from tests.broken_packages.sound_user import Context, SoundUser

from secpkg import contract as c
from secpkg.contract.flags_seldom import ChannelBindingsResult
from secpkg.kit.check.target import Credentials, Given

KEYRING = {name: hmac.digest(b"of the kit's lab", name.encode(), "sha256") for name in ("alice", "bob")}
WRONG = bytes(range(32))
NOBODY = c.TokenInformation("S-1-0-0")


def keyring(keys: dict[str, bytes]) -> bytes:
    return b"".join(b"%s:%s\n" % (name.encode(), key.hex().encode()) for name, key in keys.items())


def prepare(place: Path) -> Given:
    """What the kit is told: whose credentials are whose."""
    alice, bob = ({name: KEYRING[name]} for name in ("alice", "bob"))
    return Given(
        client=Credentials(principal="alice", data=keyring(alice)),
        other=Credentials(principal="bob", data=keyring(bob)),
        wrong=Credentials(principal="alice", data=keyring({"alice": WRONG})),
        server=Credentials(data=keyring(KEYRING)),
        secrets=tuple(KEYRING.values()),
    )


class Ring(Credential):
    """A credentials handle: an initiator's key, or all keys of an acceptor."""

    def __init__(self, use: c.CredentialUse, name: str, keys: dict[str, bytes]) -> None:
        super().__init__(use, name, keys.get(name, b""))
        self.keys = keys


class PlainContexts(Contexts):
    """Sound's SSP half without an authority: nothing here waits."""

    seed = b"no authority, no decoys of its own"

    async def account(self, name: str, acceptor: Credential | None = None) -> tuple[c.AuthData | None, bytes]:
        known = acceptor.keys.get(name) if isinstance(acceptor, Ring) else None
        decoy = hmac.digest(self.seed, name.encode(), "sha256")
        return (c.AuthData(name, "", "", NOBODY), known) if known else (None, decoy)

    async def record(self, context: Accepting, reason: str) -> None:
        pass  # only the authority has an audit record

    async def report(self, context: Accepting, result: ChannelBindingsResult) -> None:
        pass

    async def access_token(self, auth: c.AuthData) -> c.TokenReference | None:
        return None


class SoundPlain(SoundUser):
    """The SSPI function table."""

    half: PlainContexts
    info = c.PackageInfo(
        "SoundPlain", "Without a fault, without an authority",
        c.Capability.INTEGRITY | c.Capability.PRIVACY | c.Capability.CONNECTION | c.Capability.MUTUAL_AUTH,
        max_token=wire.MAX_TOKEN,
    )  # fmt: skip

    def __init__(self) -> None:
        self.half = PlainContexts()

    def enumerate_security_packages(self) -> tuple[c.PackageInfo, ...]:
        return (self.info,)

    def acquire_credentials_handle(
        self, call: c.Call, package: str, principal: str | None, use: c.CredentialUse, authorization_data: object
    ) -> c.Acquired:
        if not isinstance(authorization_data, bytes):
            raise c.SecurityError(c.Status.SEC_E_NO_CREDENTIALS, reason="no_keys")
        try:
            lines = [line.split(":") for line in authorization_data.decode().splitlines()]
            keys = {name: bytes.fromhex(key) for name, key in lines}
        except ValueError:
            raise c.SecurityError(c.Status.SEC_E_UNKNOWN_CREDENTIALS, reason="keys_malformed") from None
        if use & c.CredentialUse.OUTBOUND and principal not in keys:
            raise c.SecurityError(c.Status.SEC_E_NO_CREDENTIALS, reason="no_key_of_that_name")
        return c.Acquired(Ring(use, principal or "", keys))

    def free_credentials_handle(self, credential: Ring) -> None:
        credential.key = b""
        credential.keys.clear()

    def initialize_security_context(
        self, call: c.Call, credential: Ring, context: Initiating | None, request: c.ContextRequest
    ) -> c.Step:
        return mapped(at_once(self.half.init_lsa_mode_context(call, credential, context, request)))

    def accept_security_context(
        self, call: c.Call, credential: Ring, context: Accepting | None, request: c.ContextRequest
    ) -> c.Step:
        return mapped(at_once(self.half.accept_lsa_mode_context(call, credential, context, request)))

    def delete_security_context(self, context: Initiating | Accepting | Context) -> None:
        if isinstance(context, Context):
            self.delete_user_mode_context(context)
        else:
            context.spent = True


def at_once(steps: Coroutine[object, object, c.Step]) -> c.Step:
    try:
        steps.send(None)
    except StopIteration as stop:
        step: c.Step = stop.value
        return step
    raise AssertionError("a plain SSP has nobody to wait for")


def mapped(step: c.Step) -> c.Step:
    """A finished context is the user half's own object."""
    if not isinstance(step, c.Complete) or step.packed_context is None:
        return step
    context = Context(PackedContext.unpack(step.packed_context))
    return c.Complete(context, step.token, None, step.attributes, step.expiry)
