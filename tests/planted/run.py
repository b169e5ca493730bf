"""Shows of every planted bug which test finds it, and how soon: `make planted`."""

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from planted.patches import DoesNotApply, Patch, copy_of_tree, patches

_SUITE_SECONDS = 600
_SOURCES = ("protos", "command", "server", "bridge", "clients", "verify")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (?P<test>\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """What became of a planted bug."""

    patch: str
    test: str
    """Empty: nothing found it."""
    seconds: float
    trouble: str = ""

    def __str__(self) -> str:
        return f"{self.patch:<44} {self.test or self.trouble or 'NOT CAUGHT':<100} {self.seconds:6.1f} s"


def find(patch: Patch) -> Finding:
    """Plant a bug into a copy of the tree and run the suites that should find it."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="syncline-planted-") as folder:
        tree = copy_of_tree(Path(folder))
        try:
            patch.apply(tree)
        except DoesNotApply as error:
            return Finding(patch.name, "", 0.0, str(error))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(tree / source) for source in _SOURCES)}
        _check_that_the_copy_runs(tree, environment)
        for suite in patch.suites:
            output = _run(tree, environment, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *suite)
            failed = _FAILED.search(output)
            if failed:
                return Finding(patch.name, failed["test"], time.monotonic() - started)
    return Finding(patch.name, "", time.monotonic() - started)


def _check_that_the_copy_runs(tree: Path, environment: dict[str, str]) -> None:
    """An installed package must not take the place of the copy, or nothing would ever be found, or everything."""
    where = "import syncline_server, syncline_bridge; print(syncline_server.__file__, syncline_bridge.__file__)"
    paths = _run(tree, environment, "-c", where).split()
    assert all(Path(path).is_relative_to(tree.resolve()) or Path(path).is_relative_to(tree) for path in paths), paths


def _run(tree: Path, environment: dict[str, str], *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SUITE_SECONDS,
        check=False,
    )
    return ran.stdout


def main(names: list[str]) -> int:
    """Try the bugs of these names, or all; return 1 unless all are found."""
    found_all = True
    for patch in patches():
        if not names or patch.name in names:
            finding = find(patch)
            found_all = found_all and bool(finding.test)
            print(finding, flush=True)
    return 0 if found_all else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
