"""The demo as the bridge serves it, made of examples/two-windows: `make demo` writes it, a test compares it."""

import shutil
from pathlib import Path

from clients.typescript.building import built, tool

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "examples/two-windows"
SERVED = ROOT / "bridge/syncline_bridge/pages/demo"
_COPIED = ("index.html", "app.css")


def build(folder: Path) -> None:
    """Build the demo into a folder. What it is made of is checked for its types first."""
    built()  # the package's own tools are there then
    tool("tsc", "--project", str(SOURCE))
    for name in _COPIED:
        shutil.copyfile(SOURCE / name, folder / name)
    options = (
        "--bundle",
        "--minify",
        "--format=esm",
        "--target=es2022",
        "--log-level=warning",
        "--legal-comments=none",
    )
    places = (f"--tsconfig={SOURCE / 'tsconfig.json'}", f"--outfile={folder / 'app.js'}")
    tool("esbuild", str(SOURCE / "app.ts"), *options, *places)


if __name__ == "__main__":
    SERVED.mkdir(exist_ok=True)
    build(SERVED)
