"""What of its package's semantics a context has."""

from __future__ import annotations

import pytest

from secpkg.contract.flags import AscReq, Capability, IscReq
from secpkg.contract.semantics import establishes_again

BOTH = Capability.CONNECTION | Capability.DATAGRAM


@pytest.mark.parametrize("accept", [False, True])
def test_R229_datagram_and_stream_contexts_are_established_again(accept: bool) -> None:
    for alone in (Capability.DATAGRAM, Capability.STREAM):
        assert establishes_again(alone, accept, 0)
    assert not establishes_again(Capability.CONNECTION, accept, int(IscReq.DATAGRAM | AscReq.DATAGRAM))


def test_a_package_that_has_connections_too_is_asked_for_the_other_semantics() -> None:
    for accept, flags in ((False, IscReq), (True, AscReq)):
        assert not establishes_again(BOTH, accept, 0)
        assert not establishes_again(BOTH, accept, int(flags.CONFIDENTIALITY | flags.CONNECTION))
        assert establishes_again(BOTH, accept, int(flags.DATAGRAM))
        assert establishes_again(Capability.CONNECTION | Capability.STREAM, accept, int(flags.STREAM))
    assert not establishes_again(Capability.CONNECTION | Capability.STREAM, True, int(IscReq.STREAM))  # R174
