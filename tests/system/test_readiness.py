"""What /readyz says while nothing can be written, and afterwards."""

import os
from pathlib import Path

import httpx2

from faults import disk
from ports import free_address
from system.processes import Commands
from waiting import until


async def test_a_server_that_cannot_write_is_not_ready_until_it_can_again(commands: Commands):
    address = free_address()
    options = ("--grpc-address", "127.0.0.1:0", "--http-address", address, "--data-dir", "data")
    async with commands.running("serve", *options) as process, httpx2.AsyncClient(base_url=f"http://{address}") as http:
        await process.wrote("Pull it:")
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.json()["details"]["x-syncline-writes"]) == (200, "ok")

        async def is_ready() -> bool:
            return (await http.get("/readyz")).status_code == 200

        async def is_not() -> bool:
            return not await is_ready()

        with disk.full(process.pid, _largest(commands.folder / "data") // 2):
            await until(is_not, within_seconds=30)
            refused = await http.get("/readyz")
            assert (refused.status_code, refused.json()["details"]["x-syncline-writes"]) == (503, "failing")
            assert (await http.get("/healthz")).status_code == 200
        await until(is_ready, within_seconds=30)
        assert "the database cannot be written" in process.err
        assert "the database can be written again" in process.err


def _largest(folder: Path) -> int:
    return max(os.stat(file).st_size for file in folder.iterdir())
