"""The contract: its generated code is current, it is well formed, and it breaks nobody.

protos/baseline.binpb is the contract as it was last released. It is renewed at a release, and only then:
`.venv/bin/buf build -o protos/baseline.binpb`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PROTO = "syncline/v1/sync.proto"
ADMIN = "syncline/v1/admin.proto"
RELAY = "syncline/relay/v1/relay.proto"
GENERATED = [
    f"{contract.removesuffix('.proto')}_pb2{kind}"
    for contract in (PROTO, ADMIN, RELAY)
    for kind in (".py", ".pyi", "_grpc.py", "_grpc.pyi")
]


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def regenerated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make proto` makes, in a folder of its own."""
    out = tmp_path_factory.mktemp("generated")
    kinds = ("--python_out", "--pyi_out", "--grpc_python_out", "--mypy_grpc_out")
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I", "protos", *[f"{kind}={out}" for kind in kinds]]
    made = run(*command, f"protos/{PROTO}", f"protos/{ADMIN}", f"protos/{RELAY}")
    assert made.returncode == 0, made.stderr
    return out


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the contract to plant breaks in."""
    shutil.copy(ROOT / "buf.yaml", tmp_path)
    (tmp_path / "protos" / PROTO).parent.mkdir(parents=True)
    shutil.copy(ROOT / "protos" / PROTO, tmp_path / "protos" / PROTO)
    return tmp_path


@pytest.mark.parametrize("name", GENERATED)
def test_the_generated_code_is_what_the_contract_generates(regenerated: Path, name: str):
    assert (regenerated / name).read_bytes() == (ROOT / "protos" / name).read_bytes(), "run `make proto`"


def test_the_contract_is_well_formed_and_every_part_of_it_is_described():
    linted = run(BIN / "buf", "lint")
    assert linted.returncode == 0, linted.stdout


def test_the_contract_breaks_nobody_who_uses_the_last_release():
    compared = run(BIN / "buf", "breaking", "--against", "protos/baseline.binpb")
    assert compared.returncode == 0, compared.stdout


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("string entity_id = 2;", "string id = 2;", "entity_id"),
        ("string entity_id = 2;", "", "entity_id"),
        ("string entity_id = 2;", "string entity_id = 200;", "entity_id"),
        ("bytes data = 4;", "string data = 4;", '"data"'),
        ("rpc Pull(", "rpc Fetch(", "Pull"),
        ("ERROR_REASON_DRAINING = 17", "ERROR_REASON_LEAVING = 17", "ERROR_REASON_DRAINING"),
    ],
)
def test_a_break_is_found(copy: Path, old: str, new: str, complaint: str):
    contract = copy / "protos" / PROTO
    text = contract.read_text(encoding="utf-8")
    assert old in text
    contract.write_text(text.replace(old, new, 1), encoding="utf-8")
    compared = run(BIN / "buf", "breaking", "--against", ROOT / "protos/baseline.binpb", cwd=copy)
    assert compared.returncode != 0
    assert complaint in compared.stdout


def test_a_part_without_a_description_is_found(copy: Path):
    contract = copy / "protos" / PROTO
    contract.write_text(contract.read_text(encoding="utf-8") + "\nmessage Undescribed {}\n", encoding="utf-8")
    linted = run(BIN / "buf", "lint", cwd=copy)
    assert linted.returncode != 0
    assert "Undescribed" in linted.stdout
