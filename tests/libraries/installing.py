"""The libraries under test, as their registry has them, and the client page's own code beside them."""

import fcntl
import re
from functools import cache
from pathlib import Path

from clients.typescript import building

HERE = Path(__file__).parent
DOCUMENTS = HERE.parents[1] / "docs/clients"


@cache
def installed() -> Path:
    """Install what package.json names, and return the folder it is in; other processes wait meanwhile."""
    building.installed(HERE)
    with (HERE / ".linking").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # rxdb-server does not start on rxdb 17: it gets a 15 of its own, by the name it asks for.
        own = HERE / "node_modules/rxdb-server/node_modules/rxdb"
        if not own.exists():
            own.symlink_to("../../rxdb-15", target_is_directory=True)
        _make_snippets()
    return HERE


def snippets(document: str, language: str) -> list[str]:
    """Return the blocks of a language in a client's page."""
    text = (DOCUMENTS / document).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def _make_snippets() -> None:
    """Write the module that the page shows, so that every test runs what people copy."""
    made = HERE / "made"
    made.mkdir(exist_ok=True)
    module = snippets("rxdb.md", "js")[0]
    assert "export function syncline" in module
    target = made / "syncline.js"
    if not target.exists() or target.read_text(encoding="utf-8") != module:
        target.write_text(module, encoding="utf-8")
