"""The imports between the rooms of our packages, and what import-linter says of a copy with one import more.

Run as a program it takes a table from stdin (JSON: name → [file, line to plant]) and plants the lines one after the
other into the tree that it runs in; it answers, for each name, with the contracts that are broken then.
"""

import json
import re
import sys
from collections.abc import Collection
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import grimp
from importlinter import api, cli

CONFIGURATION = "pyproject.toml"
_BROKEN = re.compile(r"^(.+) BROKEN", re.MULTILINE)


def contracts() -> list[str]:
    """Return the names of all contracts."""
    return [contract["name"] for contract in api.read_configuration(CONFIGURATION)["contracts_options"]]


def arrows_between_rooms(package: str) -> set[tuple[str, str]]:
    """Return the arrows (from, to) between the rooms of a package: its folders, and the files beside them."""
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {
        (_room(importer), _room(imported))
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    }
    return {(importer, imported) for importer, imported in imports if importer != imported}


def circles(arrows: Collection[tuple[str, str]]) -> set[str]:
    """Return the rooms that can be reached from themselves."""
    reached = {start: {end for origin, end in arrows if origin == start} for start, _ in arrows}
    while True:
        further = {start: ends.union(*(reached.get(end, set()) for end in ends)) for start, ends in reached.items()}
        if further == reached:
            return {room for room, ends in reached.items() if room in ends}
        reached = further


def broken_contracts() -> list[str]:
    """Return the names of the contracts that the tree here does not keep, as import-linter reports them."""
    with redirect_stdout(StringIO()) as printed:
        cli.lint_imports(CONFIGURATION, no_cache=True, no_logo=True)
    report = printed.getvalue()
    assert "Contracts: " in report, report
    return _BROKEN.findall(report)


def broken_by(file: Path, line: str) -> list[str]:
    """Return the contracts that are broken while this line is in this file."""
    before = file.read_text(encoding="utf-8") if file.exists() else None
    file.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
    try:
        return broken_contracts()
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before, encoding="utf-8")


def _room(module: str) -> str:
    return [*module.split("."), ""][1]


if __name__ == "__main__":
    planted: dict[str, tuple[str, str]] = json.load(sys.stdin)
    print(json.dumps({name: broken_by(Path(file), line) for name, (file, line) in planted.items()}))
