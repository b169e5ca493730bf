"""Real servers whose machine's clock is wrong for a while, by libfaketime: nothing stops, and no edit is held up."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from harness import Client, change, outcomes
from system.processes import Commands, Process, commands_in
from system.serving import served

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed: wrong clocks are not tried")


class Machine:
    """A machine whose clock can be set."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(0)

    def set(self, ahead_ms: int) -> None:
        self._file.write_text(f"{ahead_ms // 1000:+d}")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",  # else no compiled file is as old as its source
        }


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def commands(tmp_path: Path, machine: Machine) -> Commands:
    plain = commands_in(tmp_path)
    return Commands(plain.folder, {**plain.environment, **machine.environment})


@asynccontextmanager
async def devices(commands: Commands) -> AsyncIterator[tuple[Process, Client, Client]]:
    """Run a server and connect two devices of one user, by a key that no clock can end."""
    async with served(commands) as (process, welcome):
        keyed = [{"x-api-key": welcome.server_key, "x-device-id": name} for name in ("phone", "laptop")]
        async with Client(welcome.address, keyed[0]) as phone, Client(welcome.address, keyed[1]) as laptop:
            yield process, phone, laptop


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def edit(client: Client, at_ms: int | None = None) -> str:
    return outcomes(await client.push(change("update", data={"n": now_ms()}, at_ms=at_ms), user_id="ada"))


async def test_a_server_that_was_ahead_says_so_and_holds_up_no_later_edit(commands: Commands, machine: Machine):
    async with devices(commands) as (process, phone, laptop):
        assert await edit(phone) == "a"
        machine.set(30 * DAY_MS)
        assert await edit(phone) == "a"
        machine.set(0)
        assert await edit(laptop, now_ms()) == "a"
        assert await edit(phone, now_ms() + 10) == "a"
        assert (process.out + process.err).count("the clock leapt ahead") == 1


async def test_a_server_that_starts_ahead_holds_up_no_edit_once_its_clock_is_right(
    commands: Commands, machine: Machine
):
    machine.set(30 * DAY_MS)
    async with devices(commands) as (_, phone, laptop):
        assert await edit(phone) == "a"
        machine.set(0)
        assert await edit(laptop, now_ms()) == "a"
        assert await edit(phone, now_ms() + 10) == "a"


async def test_a_server_whose_clock_goes_back_by_days_goes_on(commands: Commands, machine: Machine):
    async with devices(commands) as (process, phone, laptop):
        assert await edit(phone) == "a"
        machine.set(-2 * DAY_MS)
        heads = [(await laptop.push(change("create", f"e{at}"), user_id="ada")).head_ms for at in range(5)]
        assert heads == sorted(set(heads))
        assert heads[-1] - now_ms() < MINUTE_MS
        assert await edit(laptop) == "a"
        machine.set(0)
        assert await edit(phone, now_ms()) == "a"
        assert "the clock was set back" in process.out + process.err
