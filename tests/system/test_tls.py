"""TLS at both doors and between them: served, renewed without a restart, mutual; and never in the clear by accident."""

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx2
import pytest
import trustme
from grpc import aio

from ports import free_address
from syncline.v1 import sync_pb2, sync_pb2_grpc
from system.processes import Commands, Process
from system.serving import Welcome, refused, welcome_in
from waiting import until


@dataclass(frozen=True)
class Authority:
    """Signs certificates, and puts them into files."""

    folder: Path
    ca: trustme.CA

    @property
    def file(self) -> Path:
        path = self.folder / "ca.pem"
        self.ca.cert_pem.write_to_path(str(path))
        return path

    def issue(self, name: str) -> tuple[Path, Path]:
        """Write a certificate for this machine, and its key; over those of that name, if there are any."""
        made = self.ca.issue_cert("localhost", "127.0.0.1")
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        made.private_key_pem.write_to_path(str(key))
        certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        return certificate, key


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    folder = tmp_path / "tls"
    folder.mkdir()
    return Authority(folder, trustme.CA())


@pytest.fixture
def options(authority: Authority) -> list[str]:
    certificate, key = authority.issue("server")
    return ["--tls-certificate", str(certificate), "--tls-key", str(key)]


@dataclass(frozen=True)
class Served:
    """What `serve` has printed, and how to reach it."""

    process: Process
    said: Welcome
    http_address: str
    authority: Authority

    async def push(self, entity_id: str, own: tuple[Path, Path] | None = None) -> None:
        """Push over gRPC."""
        key, certificate = (own[1].read_bytes(), own[0].read_bytes()) if own else (None, None)
        credentials = grpc.ssl_channel_credentials(self.authority.file.read_bytes(), key, certificate)
        alone = [("grpc.use_local_subchannel_pool", 1)]
        async with aio.secure_channel(self.said.address, credentials, options=alone) as channel:
            change = sync_pb2.Change(entity_type="todo", entity_id=entity_id, action=sync_pb2.ACTION_CREATE)
            metadata = (("x-api-key", self.said.client_key), ("authorization", f"Bearer {self.said.token}"))
            stub = sync_pb2_grpc.SyncServiceStub(channel)
            await stub.Push(sync_pb2.PushRequest(changes=[change]), metadata=metadata, timeout=10)

    async def pull(self, own: tuple[Path, Path] | None = None) -> list[str]:
        """Pull over HTTP."""
        context = ssl.create_default_context(cafile=str(self.authority.file))
        if own is not None:
            context.load_cert_chain(*own)
        headers = {"x-api-key": self.said.client_key, "authorization": f"Bearer {self.said.token}"}
        async with httpx2.AsyncClient(verify=context, headers=headers) as http:
            answer = await http.get(f"https://{self.http_address}/client/sync?entity_type=todo")
        assert answer.status_code == 200, answer.text
        return [change["entity_id"] for change in answer.json()["data"]["changes"]]


async def shown_by(address: str) -> str:
    """Return the serial of the certificate that is shown there."""
    host, _, port = address.rpartition(":")
    return ssl.get_server_certificate((host, int(port)), timeout=5)


async def serving(commands: Commands, process: Process, http: str, authority: Authority) -> Served:
    said = welcome_in(await process.wrote("session token"))
    return Served(process, said, http, authority)


async def test_both_doors_speak_tls_and_nothing_else(commands: Commands, authority: Authority, options: list[str]):
    http = free_address()
    async with commands.running("serve", "--grpc-address", "127.0.0.1:0", "--http-address", http, *options) as process:
        served = await serving(commands, process, http, authority)
        assert f"https://{http}" in process.out
        await served.push("e1")
        assert await served.pull() == ["e1"]
        async with httpx2.AsyncClient() as clear:
            with pytest.raises(httpx2.HTTPError):
                await clear.get(f"http://{http}/healthz")
        async with aio.insecure_channel(served.said.address) as channel:
            with pytest.raises(aio.AioRpcError):
                await sync_pb2_grpc.SyncServiceStub(channel).Pull(sync_pb2.PullRequest(), timeout=3)


async def test_commands_speak_tls_to_a_server(commands: Commands, authority: Authority, options: list[str]):
    http = free_address()
    async with commands.running("serve", "--grpc-address", "127.0.0.1:0", "--http-address", http, *options) as process:
        served = await serving(commands, process, http, authority)
        await served.push("e1")
        place = ("--grpc-address", served.said.address)
        trusting = (*place, "--grpc-tls-ca", str(authority.file))
        tail = await commands.run("tail", "--api-key", served.said.server_key, "--all-users", *trusting)
        assert '"entity_id": "e1"' in tail.out, str(tail)
        refused(await commands.run("tail", "--api-key", served.said.server_key, "--all-users", *place), "UNAVAILABLE")
        key = ("--api-key", served.said.server_key, "--seconds", "1")
        verified = await commands.run("verify", *key, "--http-address", http, *trusting)
        assert verified.code == 0, str(verified)


async def test_new_certificates_are_read_without_a_restart(
    commands: Commands, authority: Authority, options: list[str]
):
    http = free_address()
    async with commands.running("serve", "--grpc-address", "127.0.0.1:0", "--http-address", http, *options) as process:
        served = await serving(commands, process, http, authority)
        doors = (served.said.address, http)
        before = [await shown_by(door) for door in doors]
        (authority.folder / "server.pem").write_text("half written")
        assert [await shown_by(door) for door in doors] == before
        authority.issue("server")
        after = [await shown_by(door) for door in doors]
        assert after[0] == after[1]
        assert after[0] not in before
        await served.push("e1")
        assert await served.pull() == ["e1"]

        async def said_so() -> bool:
            return "certificates were read again" in process.out + process.err

        await until(said_so)
        assert "new certificates cannot be used" in process.out + process.err


async def test_with_a_client_authority_nobody_is_served_without_a_certificate(
    commands: Commands, authority: Authority, options: list[str]
):
    http = free_address()
    asking = (*options, "--tls-client-ca", str(authority.file))
    async with commands.running("serve", "--grpc-address", "127.0.0.1:0", "--http-address", http, *asking) as process:
        served = await serving(commands, process, http, authority)
        own = authority.issue("client")
        await served.push("e1", own)
        assert await served.pull(own) == ["e1"]
        with pytest.raises(aio.AioRpcError):
            await served.push("e2")
        with pytest.raises((httpx2.HTTPError, ssl.SSLError)):
            await served.pull()
        stranger = Authority(authority.folder.parent, trustme.CA()).issue("stranger")
        with pytest.raises(aio.AioRpcError):
            await served.push("e3", stranger)
        with pytest.raises((httpx2.HTTPError, ssl.SSLError)):
            await served.pull(stranger)
        showing = ("--grpc-tls-ca", str(authority.file), "--grpc-tls-certificate", str(own[0]))
        place = ("--grpc-address", served.said.address, *showing, "--grpc-tls-key", str(own[1]))
        tail = await commands.run("tail", "--api-key", served.said.server_key, "--all-users", *place)
        assert '"entity_id": "e1"' in tail.out, str(tail)


async def test_a_bridge_speaks_tls_to_a_server_elsewhere(commands: Commands, authority: Authority, options: list[str]):
    address, http = free_address(), free_address()
    asking = (*options, "--tls-client-ca", str(authority.file))
    certificate, key = authority.issue("bridge")
    trusting = ("--grpc-tls-ca", str(authority.file), "--grpc-tls-certificate", str(certificate))
    async with (
        commands.running("server", "--grpc-address", address, *asking),
        commands.running(
            "bridge", "--http-address", http, "--grpc-target", address, *trusting, "--grpc-tls-key", str(key)
        ) as bridge,
    ):
        await bridge.listens(http)

        async def ready() -> bool:
            async with httpx2.AsyncClient() as client:
                return (await client.get(f"http://{http}/readyz")).status_code == 200

        await until(ready)


async def test_nobody_listens_in_the_clear_by_accident(commands: Commands):
    doors = (("serve", "http"), ("serve", "grpc"), ("server", "grpc"), ("bridge", "http"))
    tried = await asyncio.gather(
        *(commands.run(command, f"--{option}-address", "0.0.0.0:0") for command, option in doors)
    )
    for ended, (_, option) in zip(tried, doors, strict=True):
        assert ended.code == 2
        refused(ended, f"--{option}-address: other machines can reach 0.0.0.0:0", "--tls-certificate", "--insecure")
    async with commands.running("serve", "--no-http", "--grpc-address", "0.0.0.0:0", "--insecure") as process:
        await process.wrote("session token")
        assert "listening in the clear" in process.out + process.err


async def test_certificates_that_cannot_be_used_are_named(commands: Commands, authority: Authority):
    certificate, key = authority.issue("one")
    _, other = authority.issue("two")
    own = ("--tls-certificate", str(certificate))
    (authority.folder / "empty.pem").write_text("no certificate")
    asking = ("--tls-key", str(key), "--tls-client-ca", str(authority.folder / "empty.pem"))
    said = {
        (): "tls_certificate and tls_key go together",
        ("--tls-key", str(other)): f"{certificate} and {other} are no certificate and its key",
        ("--tls-key", "none.key"): "cannot read none.key: No such file",
        asking: "empty.pem has no certificates",
    }
    here = ("serve", "--no-http", "--grpc-address", "127.0.0.1:0", *own)
    runs = (commands.run(*here, *options, "--data-dir", f"data{at}") for at, options in enumerate(said))
    tried = await asyncio.gather(*runs)
    for ended, sentence in zip(tried, said.values(), strict=True):
        refused(ended, sentence)
