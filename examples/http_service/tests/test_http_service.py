"""The page in this process: what it shows, and its command line."""

from __future__ import annotations

import base64
import hashlib
import re
import stat
from pathlib import Path

import httpx
import pytest

from secpkg import Client
from secpkg.http import bindings, framing
from secpkg.testing import LabAuthority
from secpkg_http_service.__main__ import configuration, parsed
from secpkg_http_service.certificate import make
from secpkg_http_service.page import application


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    return make(tmp_path, "service.example", "127.0.0.1")[0]


def test_the_key_is_its_owners_alone(tmp_path: Path) -> None:
    _, key = make(tmp_path, "service.example")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_page_says_who_you_are_and_to_nobody_else(pem: Path) -> None:
    async def visit(lab: LabAuthority) -> None:
        app = application({"X-Hello": "Hello"}, certificate=pem, authority=lab)
        transport = httpx.ASGITransport(app, client=("192.0.2.7", 5000))
        async with httpx.AsyncClient(transport=transport, base_url="https://service.example") as http:
            assert (await http.get("/")).status_code == 401
            with Client(
                "Hello", username="alice", password="correct horse", target="HTTP/service.example",
                channel_bindings=bindings.of_pem(pem), requirements=0, authority=lab,
            ) as client:  # fmt: skip
                token = client.step()
                reply = await http.get("/", headers={"Authorization": framing.header("X-Hello", token)})
                (challenge,) = framing.challenges([reply.headers["WWW-Authenticate"]])
                token = client.step(challenge.token())
                reply = await http.get("/", headers={"Authorization": framing.header("X-Hello", token)})
            assert reply.status_code == 200
            assert "You are</small> EXAMPLE\\alice</h1>" in reply.text and "<li>S-1-" in reply.text
            (style,) = re.findall(r"<style>(.*?)</style>", reply.text, re.DOTALL)
            digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in reply.headers["Content-Security-Policy"], "or browsers show it bare"
        await app.close()

    import asyncio

    with LabAuthority(domain="EXAMPLE", modules=["hello"]) as lab:
        lab.add_user("alice", password="correct horse", groups=["staff"])
        asyncio.run(visit(lab))


def test_the_command_line(pem: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tls = ["--certificate", str(pem), "--key", str(pem.with_name("key.pem"))]
    config = configuration(parsed([*tls, "--scheme", "NTLM=NTLM", "--scheme", "X-Hello=Hello", "--port", "1"]))
    assert (config.port, config.proxy_headers) == (1, False)
    for wrong, told in ((["--scheme", "NTLM"], "HTTP_SCHEME=PACKAGE"), (["--bindings", "always"], "when-supported")):
        with pytest.raises(SystemExit):
            parsed([*tls, "--scheme", "NTLM=NTLM", *wrong])
        assert told in capsys.readouterr().err
