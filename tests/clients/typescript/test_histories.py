"""Random histories of several devices on a bad network: all end with what the server has, and nothing typed is lost."""

import os
from pathlib import Path
from random import Random
from typing import Any

import pytest

from clients.typescript.conftest import Wire
from clients.typescript.device import Node, start_node
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


class History:
    """Some devices, what they have written that nobody else writes, and what happens to them."""

    def __init__(self, seed: int, wire: Wire, folder: Path) -> None:
        self._random = Random(seed)
        self._wire = wire
        self._folder = folder
        self._nodes: dict[str, Node] = {}
        self.own: dict[str, dict[str, Any]] = {}

    async def begin(self) -> None:
        for name in NAMES:
            await self._start(name)

    async def step(self, n: int) -> None:
        """Let something happen."""
        name = self._random.choice(NAMES)
        happens = self._random.choices(("write", "weather", "pause", "kill"), (12, 5, 2, 1))[0]
        if happens == "write":
            await self._write(name, n)
        elif happens == "weather":
            self._change_weather()
        elif happens == "pause":
            verb = self._random.choice(("pause", "resume"))
            await self._nodes[name].run(f"apps[name].{verb}()", name=name)
        else:
            await self._nodes[name].kill()
            await self._start(name)

    async def end(self) -> dict[str, Any]:
        """Let all be well, and return what the server has when every device has it, too."""
        self._wire.proxy.heal()
        for name, node in self._nodes.items():
            await node.run("apps[name].resume(); await apps[name].flush()", name=name)
        await until(self._agree)
        return await self._wire.stored()

    async def close(self) -> None:
        for node in self._nodes.values():
            await node.kill()

    async def _start(self, name: str) -> None:
        self._nodes[name] = node = await start_node()
        storage = {"kind": "file", "name": str(self._folder / name)}
        options = self._wire.options(storage=storage, user=self._wire.user)
        await node.run("open(name, options); await apps[name].batch(() => {})", name=name, options=options)

    async def _write(self, name: str, n: int) -> None:
        kind = self._random.choice(KINDS)
        if kind in ("note", "batch"):
            self.own[f"note/{name}-{n}"] = {"n": n}
        elif kind == "count":
            self.own[f"note/{name}-count"] = {"n": n}
        await self._nodes[name].run(WRITE, name=name, id=self._random.choice(SHARED), kind=kind, n=n)

    def _change_weather(self) -> None:
        proxy, weather = self._wire.proxy, self._wire.proxy.weather
        what = self._random.choice(("cut", "reset", "answers are lost", "nothing comes through", "reset soon", "heal"))
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
            weather.reset_after_bytes = self._random.randrange(2_000)
        else:
            proxy.heal()

    async def _agree(self) -> bool:
        stored = await self._wire.stored()
        return all([await node.run("return shown(name)", name=name) == stored for name, node in self._nodes.items()])


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + HISTORIES))
async def test_all_devices_end_with_what_the_server_has(seed: int, wire_to_each: Wire, tmp_path: Path):
    history = History(seed, wire_to_each, tmp_path)
    try:
        await history.begin()
        for n in range(STEPS):
            await history.step(n)
        stored = await history.end()
    finally:
        await history.close()
    assert {key: stored.get(key) for key in history.own} == history.own
