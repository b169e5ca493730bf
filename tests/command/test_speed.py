"""Commands that come and go load what they use, and no more: seconds are counted elsewhere, modules here."""

import json
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec

import pytest

from harness import make_project, settings_for

RUN = """
import json, sys
from syncline_command.__main__ import run
try:
    run(sys.argv[1:])
finally:
    print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})), file=sys.stderr)
"""
SLOW = {"sqlalchemy", "asyncpg", "aiosqlite", "alembic", "grpc", "google", "fastapi", "starlette", "uvicorn", "uvloop"}
SETTINGS = {"pydantic", "pydantic_settings", "structlog", "prometheus_client"}
EVENTS = {"asyncio", "ssl"}


async def loaded_by(*arguments: str) -> set[str]:
    process = await create_subprocess_exec(sys.executable, "-c", RUN, *arguments, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate()
    assert out, err.decode()
    return set(json.loads(err.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments", ["--help", "--version", "project --help", "token --help", "key create --help", "tail --help"]
)
async def test_help_loads_the_standard_library_alone(arguments: str):
    loaded = await loaded_by(*arguments.split())
    ours = {name for name in loaded if name.startswith("syncline")}
    assert not loaded & (SLOW | SETTINGS | EVENTS)
    assert ours == {"syncline_command"}


async def test_what_looks_something_up_in_a_file_loads_no_engine(sqlite_url: str):
    await make_project(settings_for(sqlite_url))
    database = ("--database", sqlite_url)
    for arguments in (
        ("token", "--project", "default", "--user", "ada"),
        ("project", "list"),
        ("project", "secret", "default"),
        ("key", "list", "default"),
    ):
        assert not await loaded_by(*arguments, *database) & (SLOW | SETTINGS), arguments
