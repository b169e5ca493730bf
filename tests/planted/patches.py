"""Bugs that are planted on purpose: patches against the server, and a copy of the tree to put them into."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("protos", "command", "server", "bridge", "clients", "verify", "tests")
FILES = ("pyproject.toml", "README.md", "Makefile")
_FILE = re.compile(r"^--- a/(?P<path>\S+)\n\+\+\+ b/(?P=path)\n", re.MULTILINE)
_HUNK = re.compile(r"^@@ .*\n", re.MULTILINE)
_SUITE = re.compile(r"^Suite: (?P<arguments>.+)$", re.MULTILINE)


class DoesNotApply(Exception):
    """A patch is older than the source."""


@dataclass(frozen=True)
class Patch:
    """One bug: what it is, what should find it, and the lines that it changes."""

    name: str
    suites: tuple[tuple[str, ...], ...]
    """Arguments of pytest; one of these runs has to fail."""
    edits: tuple[tuple[str, str, str], ...]
    """File, lines as they are, lines as they become."""

    def apply(self, tree: Path) -> None:
        """Plant it; raises DoesNotApply."""
        for path, old, new in self.edits:
            text = (tree / path).read_text(encoding="utf-8")
            if text.count(old) != 1:
                raise DoesNotApply(f"{self.name}: these lines are in {path} {text.count(old)} times:\n{old}")
            (tree / path).write_text(text.replace(old, new), encoding="utf-8")


def patches() -> list[Patch]:
    """Return all, by name."""
    return [_read(path) for path in sorted(Path(__file__).parent.glob("*.patch"))]


def copy_of_tree(folder: Path) -> Path:
    """Copy what tests and servers need into a new folder `tree`."""
    tree = folder / "tree"
    tree.mkdir()
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, tree / name)
    return tree


def _read(path: Path) -> Patch:
    """Read a unified diff; its lines, not their numbers, say where it belongs."""
    text = path.read_text(encoding="utf-8")
    head, *files = _FILE.split(text)
    suites = tuple(tuple(found["arguments"].split()) for found in _SUITE.finditer(head))
    edits = []
    for name, diff in zip(files[::2], files[1::2], strict=True):
        for hunk in _HUNK.split(diff)[1:]:
            lines = hunk.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if line[0] in " -")
            new = "".join(line[1:] for line in lines if line[0] in " +")
            edits.append((name, old, new))
    return Patch(path.stem, suites, tuple(edits))
