"""Packages with one planted fault each, which `secpkg check` has to find under the rule that it breaks.

They are derived from sound ones (`sound_ap.Sound`, `plain.SoundPlain`, `pure.SoundPure`) by overriding the one place
where the fault is; the sound ones have none.
"""

from __future__ import annotations

from tests.broken_packages.faults_host import HOST
from tests.broken_packages.faults_loading import LOADING
from tests.broken_packages.faults_logon import LOGON
from tests.broken_packages.faults_messages import MESSAGES
from tests.broken_packages.faults_proof import PROOF
from tests.broken_packages.faults_seldom import SELDOM
from tests.broken_packages.faults_streams import STREAMS
from tests.broken_packages.faults_subauth import SUBAUTH
from tests.broken_packages.modules import Fault

FAULTS: tuple[Fault, ...] = (*PROOF, *MESSAGES, *HOST, *LOGON, *LOADING, *SELDOM, *STREAMS, *SUBAUTH)

__all__ = ["FAULTS", "Fault"]
