"""NTLM over HTTP and TLS: curl and Chromium at our example, our ``auth=`` objects at pyspnego's server."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.http.visit import CLIENTS
from tests.strangers.over_http import NAME, chromium, curl, example, ours, relayed, spnego
from tests.strangers.talk import PASSWORD

from secpkg.protocols.ntlm import NegotiateFlag

pytestmark = pytest.mark.slow


@pytest.mark.stranger("curl")
def test_curl_that_knows_of_no_bindings(tmp_path: Path) -> None:
    """Its messages ask for neither signing nor sealing, over TLS nobody needs them."""
    with example(tmp_path, "when-supported") as place:
        assert curl(place, "alice", PASSWORD) == NAME
        assert not place.seen.flags & (NegotiateFlag.SIGN | NegotiateFlag.SEAL)
        assert not place.seen.bound
        assert curl(place, "guest", "wrong") is None


@pytest.mark.stranger("curl")
def test_curl_posts_its_body_once_and_its_connection_is_asked_once(tmp_path: Path) -> None:
    with example(tmp_path, "when-supported") as place:
        assert curl(place, "alice", PASSWORD, "--data", "x" * 100_000) == NAME
        assert len(place.passed) == 3
        assert curl(place, "alice", PASSWORD, place.url("/whoami")) == NAME
        assert len(place.passed) == 6, "two requests on one connection: three messages"


@pytest.mark.stranger("curl")
def test_curl_where_bindings_are_required(tmp_path: Path) -> None:
    with example(tmp_path, "require") as place:
        assert curl(place, "alice", PASSWORD) is None
        assert len(place.passed) == 3, "it had its say"


@pytest.mark.stranger("chromium")
def test_chromium_is_bound_to_the_certificate(tmp_path: Path) -> None:
    with example(tmp_path, "require") as place:
        assert chromium(place, "alice", PASSWORD) == NAME
        seen = place.seen
        assert seen.bound and seen.mic
        assert seen.response.pairs.target_name == f"HTTP/localhost:{place.port}"
        assert chromium(place, "guest", "wrong") is None


@pytest.mark.stranger("chromium")
@pytest.mark.parametrize("policy", ["require", "when-supported"])
def test_chromium_behind_a_relay(tmp_path: Path, policy: str) -> None:
    """R234: the relay passes everything on, and the browser takes its certificate. The service does not."""
    with example(tmp_path, policy) as place, relayed(place) as between:
        assert chromium(between, "alice", PASSWORD) is None
        assert len(place.passed) == 3 and place.seen.bound


@pytest.mark.stranger
@pytest.mark.parametrize("client", CLIENTS)
def test_our_clients_at_a_server_of_pyspnegos(client: str, tmp_path: Path) -> None:
    with spnego(tmp_path) as place:
        assert ours(client)(place, "alice", PASSWORD) == NAME
        assert place.seen.bound and place.seen.mic
        assert ours(client)(place, "alice", "wrong") is None


@pytest.mark.stranger
@pytest.mark.parametrize("client", CLIENTS)
def test_our_clients_behind_a_relay_to_it(client: str, tmp_path: Path) -> None:
    with spnego(tmp_path) as place, relayed(place) as between:
        assert ours(client)(between, "alice", PASSWORD) is None
        assert len(place.passed) == 3 and place.seen.bound
