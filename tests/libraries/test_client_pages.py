"""The clients' pages, followed word by word in an empty folder."""

import asyncio
import json
import os
import re
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from clients.typescript.building import node
from clients.typescript.conftest import Wire
from libraries.installing import HERE, installed, snippets


async def test_rxdbs_page_makes_an_app_that_syncs(wire: Wire, tmp_path: Path):
    install, run = snippets("rxdb.md", "sh")
    wanted = dict(re.findall(r"(\S+)@([0-9.]+)", install))
    versions = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert wanted == {name: versions[name] for name in ("rxdb", "rxjs", "eventsource")}, "the versions under test"
    # What the page installs is linked from where it is installed already.
    (tmp_path / "node_modules").symlink_to(installed() / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    for name, text in zip(("syncline.js", "app.js"), snippets("rxdb.md", "js"), strict=False):
        (tmp_path / name).write_text(text)
    program, *arguments = run.split()
    assert program == "node"
    process = await asyncio.create_subprocess_exec(
        *(node(), *arguments),
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "BASE": f"http://{wire.proxy.address}",
            "CLIENT_KEY": wire.server.project.client_key,
            "TOKEN": wire.token(),
        },
        stdout=PIPE,
        stderr=STDOUT,
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    assert "[ { id: 'milk', title: 'Buy milk' } ]" in out.decode()
    assert await wire.stored() == {"todo/milk": {"id": "milk", "title": "Buy milk"}}
