"""What a user reads: the welcome on an empty database, and why a command was refused."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from harness import Client
from system.processes import Commands, Ended, Process

FREE = ("--grpc-address", "127.0.0.1:0")


@dataclass(frozen=True)
class Welcome:
    """What `serve` says on an empty database."""

    address: str
    client_key: str
    server_key: str
    token: str

    def client(self) -> Client:
        return Client(self.address, {"x-api-key": self.client_key, "authorization": f"Bearer {self.token}"})


def welcome_in(out: str) -> Welcome:
    words = (r"gRPC on +([\d.:]+)", r"client key +(\S+)", r"server key +(\S+)", r"session token +(\S+)")
    found = [re.search(pattern, out) for pattern in words]
    assert all(found), out
    return Welcome(*(match.group(1) for match in found if match))


@asynccontextmanager
async def served(commands: Commands, *options: str) -> AsyncIterator[tuple[Process, Welcome]]:
    async with commands.running("serve", "--no-http", *FREE, *options) as process:
        yield process, welcome_in(await process.wrote("session token"))


def refused(ended: Ended, *words: str) -> None:
    """Assert that a command failed with one clear line."""
    assert ended.code not in (0, None), str(ended)
    assert "Traceback" not in ended.err + ended.out, str(ended)
    for word in words:
        assert word in ended.err, str(ended)
