"""Environments as pip would make them: the wheel of this tree, what it says that it needs, and nothing else.

What is needed is linked from the environment of the tests, file by file, so that nothing is downloaded.
"""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
OURS = "syncline"
HIDDEN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "SYNCLINE_")


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin/python"

    @property
    def syncline(self) -> Path:
        return self.folder / "bin/syncline"

    @property
    def environment(self) -> Mapping[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this tree, with the build backend of the environment of the tests."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, *extras: str) -> Installed:
    """Make an environment with the wheel, these extras, and what they need."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    made = Installed(folder)
    subprocess.run(
        [*_pip(made), "install", "--quiet", "--no-index", "--no-deps", wheel], check=True, capture_output=True
    )
    target = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    (metadata,) = target.glob(f"{OURS}-*.dist-info")
    for needed in _needed(PathDistribution(metadata), frozenset(extras)):
        _link(distribution(needed), target)
    return made


def _pip(made: Installed) -> list[str]:
    return [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(made.python)]


def _needed(wheel: Distribution, extras: frozenset[str]) -> set[str]:
    """Return the names of all that the wheel needs with these extras, and what that needs in turn."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(OURS, extras)]
    while waiting:
        one = waiting.pop()
        if one in seen:
            continue
        seen.add(one)
        found = wheel if one[0] == OURS else distribution(one[0])
        waiting.extend(_required_by(found, one[1]))
    return {name for name, _ in seen} - {OURS}


def _required_by(found: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for text in found.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def _link(found: Distribution, target: Path) -> None:
    for file in found.files or ():
        if ".." in file.parts:  # scripts and headers
            continue
        link = target / file
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to(Path(str(found.locate_file(file))))
