"""What the documents name is there: files, folders, links, targets of make."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CONTRIBUTING, WALKS = ROOT / "CONTRIBUTING.md", ROOT / "docs/walks.md"
FOLDERS = [path for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")]
MADE = {"__pycache__", "node_modules"}
FILES = [path.relative_to(ROOT) for folder in FOLDERS for path in folder.rglob("*") if not MADE & {*path.parts}]
FILES += [path.relative_to(ROOT) for path in ROOT.iterdir()]
ENDINGS = {f"/{path}" for path in FILES}
FILE_NAME = re.compile(r"[\w.*/-]*\w\.(?:py|proto|patch|md|toml|c|html)\b")
FOLDER_NAME = re.compile(r"`([a-z][\w.*/-]*/)`")
LINK = re.compile(r"\]\((?!https?://)([^)#]+)")
TARGET = re.compile(r"`make ([a-z-]+)")
ELSEWHERE = {"bench/results/", "wsgi.py"}
"""What is made by a command, and what belongs to another project."""


def names(text: str) -> set[str]:
    """Return the names of files and folders in a text, but for those in addresses of the web."""
    text = re.sub(r"https?://\S+", "", text)
    return {*FILE_NAME.findall(text), *FOLDER_NAME.findall(text)}


def is_there(name: str) -> bool:
    """Tell whether a name is that of a file or folder, from the root or from any folder on the way to it."""
    wanted = f"/{name.rstrip('/')}"
    return any(matches(name)) if "*" in name else any(ending.endswith(wanted) for ending in ENDINGS)


def matches(name: str) -> Iterator[Path]:
    """Yield what a path from the root names; `*` stands for any one name."""
    return ROOT.glob(name.rstrip("/"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_files_that_a_document_names_are_there(document: Path):
    missing = {name for name in names(document.read_text(encoding="utf-8")) - ELSEWHERE if not is_there(name)}
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_document_lead_somewhere(document: Path):
    targets = LINK.findall(document.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (document.parent / target).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_tells_to_make_can_be_made(document: Path):
    made = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(TARGET.findall(document.read_text(encoding="utf-8"))) <= made


def rows() -> list[tuple[str, list[str]]]:
    """Return the rows of the table of CONTRIBUTING.md that tells where a line lives: what it does, and the paths."""
    found = re.findall(r"^\| (.+?) \| (.+?) \|$", CONTRIBUTING.read_text(encoding="utf-8"), re.MULTILINE)
    return [(does, re.findall(r"`([^`]+)`", where)) for does, where in found[1:] if "---" not in does]


@pytest.mark.parametrize(("does", "paths"), rows(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_line_lives_where_the_table_says(does: str, paths: list[str]):
    assert paths, does
    assert [path for path in paths if not any(matches(path))] == []


@pytest.mark.parametrize(
    "planted", ["`server/syncline_server/rpc/gone.py`", "`server/gone/`", "see gone.py", "rpc/sync.py"]
)
def test_a_name_that_is_nowhere_is_found(planted: str):
    assert not all(is_there(name) for name in names(planted))
    assert names(planted)


def walks() -> list[str]:
    """Return the walks: each is a section of docs/walks.md."""
    return WALKS.read_text(encoding="utf-8").split("\n## ")[1:]


@pytest.mark.parametrize("walk", walks(), ids=lambda walk: walk.splitlines()[0])
def test_a_walk_names_each_room_once_by_its_whole_path(walk: str):
    rooms = re.findall(r"^\d+\. \*\*`([^`]+)`\*\*(?: `(\w+)`)?:", walk, re.MULTILINE)
    assert len(rooms) == len(re.findall(r"^\d+\. ", walk, re.MULTILINE)) > 10
    assert len({path for path, _ in rooms}) == len(rooms)
    assert [path for path, _ in rooms if not (ROOT / path).is_file()] == []
    assert [room for room in rooms if room[1] and not defines(ROOT / room[0], room[1])] == []


def defines(path: Path, name: str) -> bool:
    text = path.read_text(encoding="utf-8")
    return re.search(rf"^ *(?:async )?(?:def|class) {name}\b", text, re.MULTILINE) is not None


def test_there_are_two_walks():
    assert len(walks()) == 2
