"""What may depend on what, and what else holds of all our code."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
RULES = sorted((ROOT / "server/syncline_server/sync").glob("*.py"))
SOURCES = sorted(
    path
    for folder in ("command", "server", "bridge", "clients", "verify", "bench")
    for path in (ROOT / folder).rglob("*.py")
)
MOST_LINES = 300


def run(*command: str) -> tuple[int, str]:
    ran = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""


@pytest.mark.parametrize(
    "command",
    [
        ("lint-imports", "--no-cache"),
        ("mypy",),
        ("ruff", "check", "protos", "command", "server", "bridge", "clients", "verify", "bench", "tests"),
        ("ruff", "format", "--check", "protos", "command", "server", "bridge", "clients", "verify", "bench", "tests"),
    ],
    ids=["import-linter", "mypy", "ruff check", "ruff format"],
)
def test_a_checker_finds_nothing(command: tuple[str, ...]):
    code, output = run(*command)
    assert code == 0, output


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_the_rules_need_the_standard_library_alone(path: Path):
    others = {
        name
        for name in imported_by(path)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("syncline_server.sync")
    }
    assert not others


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_holds_one_idea_in_few_lines(path: Path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_knows(path: Path):
    text = path.read_text(encoding="utf-8")
    assert not text or ast.get_docstring(ast.parse(text)) or "migrations" in path.parts
