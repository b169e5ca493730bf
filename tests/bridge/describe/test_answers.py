"""Every answer is one that the OpenAPI document names, whatever is asked: Schemathesis asks."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from bridge.bridged import Bridged, bridged_on
from harness import settings_for, started_server

HERE = Path(__file__).parent
EXAMPLES = int(os.environ.get("EXAMPLES", "0"))
"""Random requests to each operation, on top of the systematic ones; `make schemathesis` sets it."""
SEED = os.environ.get("SEED", "1")


async def tried(bridged: Bridged, folder: Path) -> tuple[int | None, str]:
    """Run Schemathesis; return its exit code and what it said."""
    project = bridged.server.project
    phases = ("--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES)) if EXAMPLES else ("--phases", "coverage")
    process = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).parent / "schemathesis", "--config-file", HERE / "schemathesis.toml"),
        *("run", f"{bridged.http.base_url}/openapi.json", "--seed", SEED, *phases),
        cwd=folder,
        env={**os.environ, "TRIED_KEY": project.client_key, "TRIED_TOKEN": project.token("ada"), "NO_COLOR": "1"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode()


@pytest.mark.timeout(240 + EXAMPLES * 14)
async def test_every_answer_is_documented(sqlite_url: str, tmp_path: Path):
    async with started_server(settings_for(sqlite_url)) as server, bridged_on(server) as bridged:
        code, said = await tried(bridged, tmp_path)
    print(said)  # the figures, for who runs it alone
    assert code == 0, said
    assert "Tested: 17" in said
