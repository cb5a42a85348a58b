"""Curfew: a pure authentication package, which logs nobody on and takes part in the logons of others.

It stands on the *Authentication Packages* list, has the eleven functions of the dispatch table and no more, and is a
surrogate: asked before the logon package (LsaApPreLogonUserSurrogate), it refuses who may not log on at this hour. Its
groups are its own, since the dispatch table has no way to the accounts. A trusted caller of
LsaCallAuthenticationPackage sets them, one rule a call: ``allow GROUP 08-18 alice bob`` (UTC; 22-06 goes over
midnight), ``forget GROUP``, ``rules``. Who is in a group may log on within the hours of one of theirs; who is in
none, at any hour.

It refuses with STATUS_LOGON_FAILURE, as a wrong password is: before the proof nobody learns that a name is in a group.
The audit record has the reason.
"""

from __future__ import annotations

import re

from secpkg import contract as c
from secpkg.contract.lsa_mode.ap import SurrogateLogon

RULE = re.compile(r"allow (?P<group>\w{1,64}) (?P<start>\d\d)-(?P<end>\d\d)(?P<members>( [^\s]{1,104}){1,500})")
LIMIT = 100
"""Groups."""


class Rule(c.Value, frozen=True):
    """When the members of a group may log on: from ``start`` o'clock until ``end`` o'clock, UTC."""

    start: int
    end: int
    members: frozenset[str]

    def open_at(self, hour: int) -> bool:
        """Whether an hour is within; over midnight where the end is the smaller one."""
        if self.start <= self.end:
            return self.start <= hour < self.end
        return hour >= self.start or hour < self.end


class Curfew:
    """The package: one object per authority."""

    info = c.PackageInfo("Curfew", "An example: logons by hour and by group", c.Capability.LOGON)

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}

    async def initialize_package(self, package_id: int, dispatch: c.LsaDispatchTable) -> str:
        """LsaApInitializePackage."""
        return self.info.name

    async def pre_logon_user_surrogate(
        self, call: c.Call, request: c.LogonRequest, surrogate_logon: SurrogateLogon
    ) -> SurrogateLogon:
        """LsaApPreLogonUserSurrogate: lets the logon pass, and adds nothing to it; or refuses it."""
        name, hour = request.username.rpartition("\\")[2].casefold(), int(call.now // 3600 % 24)
        mine = [rule for rule in self.rules.values() if name in rule.members]
        if mine and not any(rule.open_at(hour) for rule in mine):
            raise c.SecurityError(c.Status.STATUS_LOGON_FAILURE, reason="outside_the_hours_of_the_group")
        return surrogate_logon

    async def call_package(self, call: c.Call, submit_buffer: bytes) -> c.ProtocolReply:
        """LsaApCallPackage, for trusted callers: the services at the top of this file. There is no
        LsaApCallPackageUntrusted, so nobody else sets rules (R75).
        """
        text = submit_buffer.decode(errors="replace")
        verb, _, group = text.partition(" ")
        if text == "rules":
            lines = (f"{name} {rule.start:02}-{rule.end:02} {len(rule.members)}" for name, rule in self.rules.items())
            return c.ProtocolReply("\n".join(lines).encode())
        if verb == "forget" and self.rules.pop(group, None) is not None:
            return c.ProtocolReply()
        found = RULE.fullmatch(text)
        if found is None or max(int(found["start"]), int(found["end"])) > 24:
            return c.ProtocolReply(protocol_status=c.Status.STATUS_INVALID_PARAMETER)  # attempted, no success (R77)
        if len(self.rules) >= LIMIT and found["group"] not in self.rules:
            return c.ProtocolReply(protocol_status=c.Status.STATUS_QUOTA_EXCEEDED)
        members = frozenset(member.casefold() for member in found["members"].split())
        self.rules[found["group"]] = Rule(int(found["start"]), int(found["end"]), members)
        return c.ProtocolReply()


def lsa_mode_initialize(version: c.InterfaceVersion) -> c.ModuleTables:
    """SpLsaModeInitialize: every module has this one door, also a pure authentication package."""
    return c.ModuleTables(max(c.InterfaceVersion), (Curfew(),))
