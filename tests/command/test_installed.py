"""`pip install syncline` brings the client alone; each extra brings what its commands need, and `all` everything."""

import json
import signal
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from command.installing import Installed, build_wheel, install
from ports import free_address

OF_SERVING = ("fastapi", "sqlalchemy", "asyncpg", "uvloop", "pydantic", "structlog", "httpx2", "msgspec", "pytest")
Install = Callable[..., Installed]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Install:
    """Makes environments with the wheel of this tree, each once."""
    wheel = build_wheel(tmp_path_factory.mktemp("dist"))
    made: dict[tuple[str, ...], Installed] = {}

    def with_extras(*extras: str) -> Installed:
        if extras not in made:
            folder = tmp_path_factory.mktemp("-".join(("with", *extras)))
            made[extras] = install(wheel, folder, *extras)
        return made[extras]

    return with_extras


@asynccontextmanager
async def started(where: Installed, words: str, *arguments: str) -> AsyncIterator[str]:
    """Run a command until it has written these words; yields all that it wrote so far."""
    process = await create_subprocess_exec(
        where.syncline, *arguments, cwd=where.folder, env=dict(where.environment), stdout=PIPE, stderr=PIPE
    )
    assert process.stderr is not None
    assert process.stdout is not None
    stream = process.stdout if arguments[0] == "serve" else process.stderr
    said = ""
    try:
        while words not in said:
            line = await stream.readline()
            assert line, said + (await process.stderr.read()).decode()
            said += line.decode()
        yield said
        process.send_signal(signal.SIGTERM)
        _, err = await process.communicate()
        assert process.returncode == 0, err.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def test_without_extras_it_is_the_client_and_nothing_of_a_server(installed: Install):
    bare = installed()
    looked = bare.run(
        bare.python,
        "-c",
        "import json, syncline_client; from importlib.util import find_spec;"
        f"print(json.dumps([name for name in {OF_SERVING!r} if find_spec(name)]))",
    )
    assert looked.returncode == 0, looked.stderr
    assert json.loads(looked.stdout) == []


def test_without_extras_the_command_line_does_what_a_client_can(installed: Install):
    bare = installed()
    assert "verify" in bare.run(bare.syncline, "--help").stdout
    assert bare.run(bare.syncline, "--version").stdout.startswith("syncline ")
    tail = bare.run(bare.syncline, "tail", "--api-key", "x", "--all-users", "--grpc-address", "127.0.0.1:1")
    assert tail.returncode == 1
    assert tail.stderr.startswith("syncline: UNAVAILABLE"), tail.stderr


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        ("serve", "all"),
        ("serve --help", "all"),
        ("server", "server"),
        ("bridge", "bridge"),
        ("migrate", "server"),
        ("project create notes", "server"),
        ("epoch list", "server"),
        ("token --project notes --user ada", "server"),
        ("verify --api-key x --seconds 1", "verify"),
    ],
)
def test_a_part_that_is_missing_is_one_sentence_that_names_its_extra(installed: Install, arguments: str, extra: str):
    bare = installed()
    (bare.folder / "syncline-data").mkdir(exist_ok=True)
    (bare.folder / "syncline-data/syncline.db").touch()
    ran = bare.run(bare.syncline, *arguments.split())
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert f"pip install 'syncline[{extra}]'" in ran.stderr


async def test_with_all_serve_works(installed: Install):
    http = free_address()
    options = ("--grpc-address", "127.0.0.1:0", "--http-address", http)
    async with started(installed("all"), "Pull it:", "serve", *options) as said, httpx2.AsyncClient() as client:
        assert f"http://{http}" in said
        assert (await client.get(f"http://{http}/readyz")).status_code == 200


async def test_each_part_runs_with_its_own_extra(installed: Install, tmp_path: Path):
    database = f"sqlite:///{tmp_path / 'syncline.db'}"
    server = ("server", "--grpc-address", "127.0.0.1:0", "--database", database)
    async with started(installed("server"), "serving gRPC", *server):
        pass
    async with started(installed("bridge"), "bridge started", "bridge", "--http-address", "127.0.0.1:0"):
        pass
    with_verify = installed("verify")
    address = free_address()
    ran = with_verify.run(with_verify.syncline, "verify", "--api-key", "x", "--grpc-address", address)
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"syncline verify: cannot reach {address} by gRPC")
    assert ran.stderr.count("\n") == 1
