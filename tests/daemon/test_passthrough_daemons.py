"""Pass-through from one daemon to another: the loop goes on, and neither waits for the other's package."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.daemon.harness import Daemon, answered, directories, refused
from tests.daemon.modules import write_module
from tests.runtime.certificates import Ca

from secpkg.contract import Status
from secpkg.ipc import schema
from secpkg.ipc.link import next_id

_ECHO = """
class Echo(Package):
    async def call_package(self, call, submit_buffer):
        return await self.authority.call_package_passthrough(submit_buffer.decode(), 0, b"asked by a package")

    async def call_package_passthrough(self, call, submit_buffer):
        if submit_buffer == b"exit":
            os._exit(7)
        if submit_buffer.startswith(b"via "):
            return await self.authority.call_package_passthrough(submit_buffer[4:].decode(), 0, b"there and back")
        return ProtocolReply(submit_buffer[::-1], Status.STATUS_NO_SUCH_USER)


def initialize(version):
    return tables(Echo({name!r}))
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def daemon(
    place: Path, ca: Ca, domain: str, port: int, other: str, other_port: int, more: str = "", sid: str = ""
) -> Iterator[Daemon]:
    directory = place / domain.lower() / "authority"
    directory.mkdir(parents=True, mode=0o755)
    certificate, key = ca.issue(f"{domain.lower()}.test")
    settings = directory / "authority.toml"
    settings.write_text(
        f"""
        [passthrough]
        listen = "127.0.0.1:{port}"
        certificate = "{certificate}"
        key = "{key}"
        authorities = "{ca.path}"
        call_limit = 60.0
        [passthrough.domains.{other}]
        address = "127.0.0.1:{other_port}"
        name = "{other.lower()}.test"
        sid = "{sid}"
        {more}
        """
    )
    settings.chmod(0o600)
    made = Daemon(directory, domain=domain).start()
    try:
        module = write_module(place / "modules", "echo", _ECHO)
        added = made.manage("packages.add", module="echo", path=module)
        assert added["state"] == "loaded", added
        yield made
        made.stop()
    finally:
        made.close_operator()
        if made.process.poll() is None:
            made.process.kill()
            made.process.wait()


def call(daemon: Daemon, data: bytes, domain: str = "OTHER", name: str = "Echo", *, trusted: bool = True) -> object:
    link = daemon.trusted_link() if trusted else daemon.link()
    return link.call(schema.CallPackage(next_id(), 0, data, domain, name))


@pytest.mark.slow
def test_one_daemon_reaches_the_package_of_another() -> None:
    with directories() as place:
        place.chmod(0o755)
        ca, here_port, other_port = Ca(place), free_port(), free_port()
        with daemon(place, ca, "HERE", here_port, "OTHER", other_port) as here:
            assert refused(call(here, b"ab")) == (Status.STATUS_NO_LOGON_SERVERS, "cannot_connect")
            with daemon(place, ca, "OTHER", other_port, "HERE", here_port) as other:
                reply = answered(schema.PackageAnswered, call(here, b"ab"))
                assert (reply.data, reply.protocol_status) == (b"ba", Status.STATUS_NO_SUCH_USER)
                assert answered(schema.PackageAnswered, call(other, b"cd", "HERE")).data == b"dc"
                assert len(answered(schema.PackageAnswered, call(here, bytes(64 * 1024))).data) == 64 * 1024
                assert refused(call(here, b"ab", trusted=False))[0] == Status.STATUS_PRIVILEGE_NOT_HELD
                assert refused(call(here, b"ab", name="Nobody"))[0] == Status.STATUS_NO_SUCH_PACKAGE

                link = here.trusted_link()
                package = answered(schema.PackageNumber, link.call(schema.LookupPackage(next_id(), "Echo"))).package
                passed = link.call(schema.CallPackage(next_id(), package, b"OTHER\\Echo"))
                assert answered(schema.PackageAnswered, passed).data == b"egakcap a yb deksa"

                # The other's package asks here's meanwhile: only possible where nobody stands still.
                assert answered(schema.PackageAnswered, call(here, b"via HERE\\Echo")).data == b"kcab dna ereht"

                assert refused(call(here, b"exit"))[1] == "refused_by_other_authority", "its worker died"
                here.until(lambda: isinstance(call(here, b"ef"), schema.PackageAnswered))
