"""TLS handshakes that never end, and what is no TLS: what others notice of it, and when it ends."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from bridge.bridged import bridge_on
from syncline_bridge.edge import handshakes

NOWHERE = "127.0.0.1:1"
REQUEST = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
HELLO = bytes.fromhex("16030102000100")
"""How a handshake begins."""


@dataclass(frozen=True)
class Secured:
    """A bridge that speaks TLS."""

    host: str
    port: int
    trusting: ssl.SSLContext

    async def answer(self) -> bytes:
        """Send a request together with the end of the handshake; return how the answer begins."""
        reader, writer = await asyncio.open_connection(
            self.host, self.port, ssl=self.trusting, server_hostname="localhost"
        )
        writer.write(REQUEST)
        async with asyncio.timeout(20):
            line = await reader.readline()
        writer.close()
        return line

    async def silent(self, said: bytes = b"") -> asyncio.StreamReader:
        """Connect without a handshake, and say so much."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(said)
        self.kept.append(writer)
        return reader

    kept: list[asyncio.StreamWriter]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, dict[str, Path]]:
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    made = authority.issue_cert("localhost")
    files = {"tls_certificate": folder / "server.pem", "tls_key": folder / "server.key"}
    files["tls_certificate"].write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(str(files["tls_key"]))
    return authority, files


@asynccontextmanager
async def secured(authority: tuple[trustme.CA, dict[str, Path]], **settings: int) -> AsyncIterator[Secured]:
    trusting = ssl.create_default_context()
    authority[0].configure_trust(trusting)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(bridge_on(NOWHERE, **authority[1], **settings))
        host, _, port = address.rpartition(":")
        made = Secured(host, int(port), trusting, [])
        yield made
        stack.callback(lambda: [writer.close() for writer in made.kept])


async def ends(reader: asyncio.StreamReader) -> bool:
    """Wait until a connection ends."""
    async with asyncio.timeout(20):
        try:
            await reader.read()
        except ConnectionError:
            return True
    return True


async def test_handshakes_that_never_end_make_room_for_others(authority: tuple[trustme.CA, dict[str, Path]]):
    async with secured(authority, limit_connections=16) as bridge:
        silent = [await bridge.silent() for _ in range(40)]
        assert await bridge.answer() == b"HTTP/1.1 200 OK\r\n"
        assert await ends(silent[0])


async def test_what_comes_with_the_end_of_a_handshake_is_read(authority: tuple[trustme.CA, dict[str, Path]]):
    async with secured(authority) as bridge:
        answers = await asyncio.gather(*(bridge.answer() for _ in range(30)))
    assert set(answers) == {b"HTTP/1.1 200 OK\r\n"}


@pytest.mark.parametrize("said", [b"", HELLO], ids=["silence", "a beginning"])
async def test_a_handshake_has_its_time(
    authority: tuple[trustme.CA, dict[str, Path]], monkeypatch: pytest.MonkeyPatch, said: bytes
):
    monkeypatch.setattr(handshakes, "_HANDSHAKE_SECONDS", 0.2)
    async with secured(authority) as bridge:
        assert await ends(await bridge.silent(said))


async def test_what_is_no_tls_ends_its_connection_without_a_log_line(
    authority: tuple[trustme.CA, dict[str, Path]], capfd: pytest.CaptureFixture[str]
):
    async with secured(authority) as bridge:
        for said in (REQUEST, b"\0" * 1000, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            assert await ends(await bridge.silent(said))
        assert await bridge.answer() == b"HTTP/1.1 200 OK\r\n"
    assert capfd.readouterr() == ("", "")


async def test_a_bridge_that_stops_waits_for_no_handshake(authority: tuple[trustme.CA, dict[str, Path]]):
    async with asyncio.timeout(5):
        async with secured(authority) as bridge:
            silent = [await bridge.silent() for _ in range(5)]
            assert await bridge.answer() == b"HTTP/1.1 200 OK\r\n"
        assert await ends(silent[0])
