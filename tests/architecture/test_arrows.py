"""Arrows between rooms run one way, there are few of them, and a wrong one is found: one is planted a contract."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from architecture import arrows

ROOT = Path(__file__).parents[2]
FOLDERS = ("protos/syncline", "command", "server", "bridge", "clients/python", "verify")
MOST_ARROWS = 29
"""Between the rooms of the server; 37 before they were set by what they know."""
LEVELS = {
    "sync": 0,
    "identity": 1,
    "store": 2,
    "rpc": 2,
    "settings": 2,
    "logs": 2,
    "health": 3,
    "operate": 3,
    "admin": 4,
    "wiring": 5,
    "app": 6,
}


class Planted(NamedTuple):
    """An import that may not be: the contract that forbids it, and where it is written."""

    contract: str
    file: str
    line: str


SERVER, BRIDGE = "server/syncline_server", "bridge/syncline_bridge"
ROOT_OF_ALL = "the command line is the one root: nothing imports it"
MEET = "bridge and server meet only in the contract"
BRIDGE_LAYERS = "bridge: the app knows the dialects, these the edge and the kit of documents, which know no dialect"
DIALECTS = "a dialect knows no other"
CONTRACT = "the contract depends on nothing of ours"
CLIENT = "the client knows the contract alone"
CLIENT_NEEDS = "the client needs gRPC alone"
VERIFIER = "the verifier sees what a client sees: it shares no code with what it checks"
SERVES = "what serves is neither a client nor the verifier"
SERVER_LAYERS = "server: the app wires rpc, rpc asks identity and the rules"
OPERATOR = (
    "server: an operator's use cases ask identity, the store and the rules; the store implements the ports of both"
)
NEVER_MEET = "server: rpc and the store never meet"
WHOEVER_ASKS = "server: what an operator does is the same whoever asks"
SETTINGS = "server: only the app knows the settings"
IDENTITY = "server: identity knows of the rules their errors alone"
REGISTRY = "server: the store knows of identity what a project is, to make it and to look it up"
SPOKEN = "server: neither the store, nor identity, nor the rules know how the contract is spoken"
RULES = "server: the rules know nothing of ours but themselves"
DATABASE = "only the store knows a database"
HTTP = "only the bridge knows HTTP"
FROZEN = "a migration is frozen: it knows nothing of the living code"
CIRCLE = "no circle between files of a room"

PLANTED = [
    Planted(ROOT_OF_ALL, f"{SERVER}/logs.py", "import syncline_command.tail"),
    Planted(MEET, f"{BRIDGE}/upstream.py", "import syncline_server.sync.errors"),
    Planted(MEET, f"{SERVER}/rpc/status.py", "import syncline_bridge.failure"),
    Planted(BRIDGE_LAYERS, f"{BRIDGE}/edge/access.py", "import syncline_bridge.dialects.checkpoint_sync.errors"),
    Planted(BRIDGE_LAYERS, f"{BRIDGE}/upstream.py", "import syncline_bridge.app"),
    Planted(
        DIALECTS, f"{BRIDGE}/dialects/checkpoint_sync/errors.py", "import syncline_bridge.dialects.mutation_sync.errors"
    ),
    Planted(CONTRACT, "protos/syncline/words.py", "import syncline_client.codec"),
    Planted(CLIENT, "clients/python/syncline_client/codec.py", "import syncline_server.sync.errors"),
    Planted(CLIENT_NEEDS, "clients/python/syncline_client/codec.py", "import pydantic"),
    Planted(CLIENT_NEEDS, "protos/syncline/words.py", "import structlog"),
    Planted(VERIFIER, "verify/syncline_verify/checks.py", "import syncline_server.sync.resolve"),
    Planted(VERIFIER, "verify/syncline_verify/checks.py", "import syncline_bridge.failure"),
    Planted(SERVES, f"{BRIDGE}/status.py", "import syncline_client.errors"),
    Planted(SERVES, f"{SERVER}/logs.py", "import syncline_verify.report"),
    Planted(SERVER_LAYERS, f"{SERVER}/identity/tickets.py", "import syncline_server.rpc.codec"),
    Planted(SERVER_LAYERS, f"{SERVER}/rpc/metrics.py", "import syncline_server.health"),
    Planted(OPERATOR, f"{SERVER}/identity/key_cache.py", "import syncline_server.store.registry"),
    Planted(OPERATOR, f"{SERVER}/sync/store.py", "import syncline_server.store.clock"),
    Planted(NEVER_MEET, f"{SERVER}/rpc/codec.py", "import syncline_server.store.clock"),
    Planted(NEVER_MEET, f"{SERVER}/store/pages.py", "import syncline_server.rpc.codec"),
    Planted(OPERATOR, f"{SERVER}/store/registry.py", "import syncline_server.operate.projects"),
    Planted(WHOEVER_ASKS, f"{SERVER}/operate/projects.py", "import syncline_server.rpc.status"),
    Planted(SETTINGS, f"{SERVER}/operate/tokens.py", "import syncline_server.settings"),
    Planted(SETTINGS, f"{SERVER}/rpc/server.py", "import syncline_server.settings"),
    Planted(SETTINGS, f"{SERVER}/store/engine.py", "import syncline_server.app"),
    Planted(IDENTITY, f"{SERVER}/identity/principal.py", "import syncline_server.sync.changes"),
    Planted(REGISTRY, f"{SERVER}/store/registry.py", "import syncline_server.identity.principal"),
    Planted(REGISTRY, f"{SERVER}/store/schema.py", "import syncline_server.identity.projects"),
    Planted(SPOKEN, f"{SERVER}/store/pages.py", "import syncline.v1.sync_pb2"),
    Planted(SPOKEN, f"{SERVER}/identity/credentials.py", "import grpc"),
    Planted(SPOKEN, f"{SERVER}/sync/layout.py", "import google.protobuf.message"),
    Planted(RULES, f"{SERVER}/sync/changes.py", "import syncline.words"),
    Planted(RULES, f"{SERVER}/sync/push.py", "import syncline_server.logs"),
    Planted(DATABASE, f"{SERVER}/rpc/status.py", "import sqlalchemy.exc"),
    Planted(DATABASE, f"{SERVER}/sync/store.py", "import sqlite3"),
    Planted(DATABASE, f"{BRIDGE}/status.py", "import asyncpg"),
    Planted(HTTP, f"{SERVER}/rpc/metrics.py", "import starlette.responses"),
    Planted(FROZEN, f"{SERVER}/store/migrations/versions/0001_initial.py", "import syncline_server.store.tables"),
    Planted(FROZEN, f"{SERVER}/store/migrations/versions/0003_pages.py", "import syncline.v1.sync_pb2"),
    Planted(CIRCLE, f"{SERVER}/sync/changes.py", "import syncline_server.sync.resolve"),
    Planted(CIRCLE, f"{SERVER}/store/engine.py", "import syncline_server.store.sqlite.engine"),
]


def named(planted: Planted) -> str:
    return f"{planted.file}: {planted.line}"


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Plant every import into a copy of our packages, one after the other; returns the contracts that each breaks."""
    copy = tmp_path_factory.mktemp("tree")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / arrows.CONFIGURATION, copy)
    table = {"nothing": ("protos/syncline/words.py", ""), **{named(one): (one.file, one.line) for one in PLANTED}}
    path = ":".join(str(copy / folder.removesuffix("/syncline")) for folder in FOLDERS)
    ran = subprocess.run(
        [sys.executable, arrows.__file__],
        cwd=copy,
        # import-linter breaks its lines at the width of the terminal.
        env={"PYTHONPATH": path, "COLUMNS": "1000"},
        input=json.dumps(table),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, list[str]] = json.loads(ran.stdout)
    return found


def test_nothing_is_broken_while_nothing_is_planted(broken: dict[str, list[str]]):
    assert broken["nothing"] == []


@pytest.mark.parametrize("planted", PLANTED, ids=named)
def test_an_arrow_that_may_not_be_is_found(planted: Planted, broken: dict[str, list[str]]):
    assert planted.contract in broken[named(planted)]


def test_every_contract_has_a_planted_violation():
    assert set(arrows.contracts()) == {planted.contract for planted in PLANTED}


def test_the_rooms_of_the_server_have_few_arrows_none_up_and_no_circle():
    found = arrows.arrows_between_rooms("syncline_server")
    assert arrows.circles(found) == set()
    assert not {(importer, imported) for importer, imported in found if LEVELS[importer] <= LEVELS[imported]}
    assert len(found) <= MOST_ARROWS, sorted(found)


def test_a_circle_is_seen():
    assert arrows.circles({("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")}) == {"a", "b", "c"}
