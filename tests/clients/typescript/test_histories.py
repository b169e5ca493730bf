"""Random histories of several devices on a bad network: all end with what the server has, and nothing typed is lost."""

import os
from abc import ABC, abstractmethod
from pathlib import Path
from random import Random
from typing import Any

import pytest

from clients.typescript.conftest import Wire
from clients.typescript.device import Browser, Device, Node, Page, Profile, start_node
from waiting import until

HISTORIES = int(os.environ.get("HISTORIES", "2"))
FIRST_SEED = int(os.environ.get("SEED", "1"))
STEPS = 40
NAMES = ("phone", "laptop", "tablet")
SHARED = [f"t{n}" for n in range(4)]

WRITE = """
    const app = apps[name];
    const has = app.todo.get(id) !== undefined;
    if (kind === 'note') await app.note.create({ id: `${name}-${n}`, n });
    else if (kind === 'count') await app.note.create({ id: `${name}-count`, n });
    else if (kind === 'create') await app.todo.create({ id, [name]: n });
    else if (kind === 'update' && has) await app.todo.update(id, { [name]: n, last: name });
    else if (kind === 'delete' && has) await app.todo.delete(id);
    else if (kind === 'batch') await app.batch((tx) => {
      tx.note.create({ id: `${name}-${n}`, n });
      tx.todo.create({ id, [name]: n });
      tx.todo.update(id, { batch: n });
    });
"""
KINDS = ("note", "count", "create", "update", "update", "delete", "batch")


class History(ABC):
    """Some devices, what they have written that nobody else writes, and what happens to them."""

    def __init__(self, seed: int, wire: Wire) -> None:
        self.random = Random(seed)
        self.wire = wire
        self.devices: dict[str, Device] = {}
        self.own: dict[str, dict[str, Any]] = {}

    async def begin(self) -> None:
        for name in NAMES:
            await self.start(name)

    async def step(self, n: int) -> None:
        """Let something happen."""
        name = self.random.choice(NAMES)
        happens = self.random.choices(("write", "weather", "pause", "end"), (12, 5, 2, 1))[0]
        if happens == "write":
            await self._write(name, n)
        elif happens == "weather":
            self._change_weather()
        elif happens == "pause":
            verb = self.random.choice(("pause", "resume"))
            await self.devices[name].run(f"apps[name].{verb}()", name=name)
        else:
            await self.stop(name)
            await self.start(name)

    async def end(self) -> dict[str, Any]:
        """Let all be well, and return what the server has when every device has it, too."""
        self.wire.proxy.heal()
        for name, device in self.devices.items():
            await device.run("apps[name].resume()", name=name)
        for name, device in self.devices.items():
            await device.run("await apps[name].flush()", name=name)
        await until(self._agree)
        return await self.wire.stored()

    async def close(self) -> None:
        for name in self.devices:
            await self.stop(name)

    @abstractmethod
    async def start(self, name: str) -> None:
        """Open the app on a device, with what it has kept."""

    @abstractmethod
    async def stop(self, name: str) -> None:
        """End it without a word."""

    async def _write(self, name: str, n: int) -> None:
        kind = self.random.choice(KINDS)
        if kind in ("note", "batch"):
            self.own[f"note/{name}-{n}"] = {"n": n}
        elif kind == "count":
            self.own[f"note/{name}-count"] = {"n": n}
        await self.devices[name].run(WRITE, name=name, id=self.random.choice(SHARED), kind=kind, n=n)

    def _change_weather(self) -> None:
        proxy, weather = self.wire.proxy, self.wire.proxy.weather
        what = self.random.choice(("cut", "reset", "answers are lost", "nothing comes through", "reset soon", "heal"))
        if what == "cut":
            proxy.cut()
        elif what == "reset":
            proxy.reset()
        elif what == "answers are lost":
            proxy.black_hole(up=False)
        elif what == "nothing comes through":
            proxy.black_hole()
        elif what == "reset soon":
            proxy.heal()
            weather.reset_after_bytes = self.random.randrange(2_000)
        else:
            proxy.heal()

    async def _agree(self) -> bool:
        stored = await self.wire.stored()
        return all([await one.run("return shown(name)", name=name) == stored for name, one in self.devices.items()])


OPEN = "open(name, options); await apps[name].batch(() => {})"


class Processes(History):
    """Each device is a process of Node that keeps everything in a file, and is killed."""

    def __init__(self, seed: int, wire: Wire, folder: Path) -> None:
        super().__init__(seed, wire)
        self._folder = folder
        self._nodes: dict[str, Node] = {}

    async def start(self, name: str) -> None:
        self.devices[name] = self._nodes[name] = node = await start_node()
        storage = {"kind": "file", "name": str(self._folder / name)}
        await node.run(OPEN, name=name, options=self.wire.options(storage=storage, user=self.wire.user))

    async def stop(self, name: str) -> None:
        await self._nodes[name].kill()


class Tabs(History):
    """The first two devices are tabs of one browser, the last one is another browser; tabs are closed."""

    def __init__(self, seed: int, wire: Wire, profiles: list[Profile]) -> None:
        super().__init__(seed, wire)
        self._profiles = dict(zip(NAMES, profiles, strict=True))
        self._pages: dict[str, Page] = {}

    async def start(self, name: str) -> None:
        self.devices[name] = self._pages[name] = page = await self._profiles[name].page()
        storage = {"kind": "indexedDb", "name": "app"}
        await page.run(OPEN, name=name, options=self.wire.options(storage=storage, user=self.wire.user))

    async def stop(self, name: str) -> None:
        await self._pages[name].close()


SEEDS = pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + HISTORIES))


@SEEDS
async def test_all_devices_end_with_what_the_server_has(seed: int, wire_to_each: Wire, tmp_path: Path):
    await live(Processes(seed, wire_to_each, tmp_path))


@SEEDS
async def test_all_tabs_end_with_what_the_server_has(seed: int, wire: Wire, browser: Browser):
    one, other = await browser.profile(), await browser.profile()
    await live(Tabs(seed, wire, [one, one, other]))


async def live(history: History) -> None:
    try:
        await history.begin()
        for n in range(STEPS):
            await history.step(n)
        stored = await history.end()
    finally:
        await history.close()
    assert {key: stored.get(key) for key in history.own} == history.own
