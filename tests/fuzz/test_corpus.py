"""What the fuzzer has found, replayed; and that its targets can fail."""

from __future__ import annotations

import pytest
from tests.fuzz import corpus, targets
from tests.fuzz.targets import TARGETS, Broken, insider, need
from tests.protocols.ntlm_pair import recorded

from secpkg.protocols.ntlm import Reason, Rejected


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_keeps_every_promise(target: str) -> None:
    kept = corpus.inputs(target)
    assert len(kept) > 5
    for data in kept:
        TARGETS[target](data)


def test_the_corpus_is_small() -> None:
    assert {path.stem for path in corpus.FOLDER.iterdir()} == set(TARGETS)
    assert sum(path.stat().st_size for path in corpus.FOLDER.iterdir()) < corpus.LIMIT


def test_a_target_that_is_not_kept_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """An acceptor that lets anybody in, a reason that is the caller's, another exception: none of them passes."""
    with pytest.raises(Broken):
        need(False, "something")
    with pytest.raises(Broken):
        targets.named(Rejected(Reason.BAD_ARGUMENT, "anything"))
    monkeypatch.setattr("secpkg.protocols.ntlm.acceptor.check_v2", lambda *_, **__: bytes(16))
    monkeypatch.setattr("secpkg.protocols.ntlm.acceptor.Presented._check_mic", lambda *_: False)
    with pytest.raises(Broken, match="nobody gets in"):
        targets.authenticate(recorded()["authenticate"][:-1] + b"\0")


def test_an_insider_who_breaks_no_rule_gets_in() -> None:
    """The target reaches what is behind the proof, and sees a MIC that is not looked at."""
    flags = (0xE2888235).to_bytes(4, "little")
    insider(bytes([8 | 16 | 2 | 1]) + flags + b"\6\0\4\0\2\0\0\0" + bytes(4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("secpkg.protocols.ntlm.acceptor.Presented._check_mic", lambda *_: True)
        with pytest.raises(Broken, match="MIC is counted"):
            insider(bytes([8 | 16 | 2]) + flags + bytes(4))
