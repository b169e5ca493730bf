"""The package as it is published: its parts, its size, its README, and the words it shares with the server."""

import asyncio
import gzip
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from clients.typescript.building import PACKAGE, built, node, npm, tool
from clients.typescript.conftest import Wire
from syncline import words

HERE = Path(__file__).parent
MOST_BYTES = {"index.js": 12_400, "react.js": 1_000, "tanstack-db.js": 1_000}
"""Of the core with IndexedDB and of the bindings without what they bind, minified and compressed."""
README = (PACKAGE / "README.md").read_text(encoding="utf-8")


def run_node(*arguments: str, **environment: str) -> str:
    ran = subprocess.run(
        [node(), *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_its_parts_do_what_they_say():
    out = run_node("--test", str(HERE / "units.test.js"), PACKAGE=built().as_uri())
    assert re.search(r"pass [1-9]", out), out


def test_it_needs_nothing_else_and_names_no_host_of_a_registry():
    package = json.loads((PACKAGE / "package.json").read_text())
    assert "dependencies" not in package
    assert "package-lock.json" in (PACKAGE / ".gitignore").read_text()


@pytest.mark.parametrize(("entry", "most_bytes"), MOST_BYTES.items())
def test_it_is_as_small_as_is_said(tmp_path: Path, entry: str, most_bytes: int):
    bundle = tmp_path / "bundle.js"
    options = ("--bundle", "--minify", "--format=esm", "--external:react", "--log-level=error", f"--outfile={bundle}")
    tool("esbuild", str(built() / entry), *options)
    assert len(gzip.compress(bundle.read_bytes(), 9)) <= most_bytes


def test_its_limits_and_forms_are_the_servers():
    wire = (PACKAGE / "src/wire.ts").read_text()
    assert f"MAX_PUSH_CHANGES = {words.MAX_PUSH_CHANGES};" in wire
    assert f"MAX_ENTITY_TYPES = {words.MAX_ENTITY_TYPES};" in wire
    assert f"MAX_ID_BYTES = {words.MAX_ID_BYTES};" in wire
    assert f"ENTITY_TYPE = /^{words.ENTITY_TYPE_PATTERN}$/;" in wire


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A project that has installed what `npm pack` makes."""
    built()
    [packed] = json.loads(npm("pack", "--json", "--pack-destination", str(tmp_path)))
    with tarfile.open(tmp_path / packed["filename"]) as archive:
        archive.extractall(tmp_path, filter="data")
    modules = tmp_path / "node_modules/@syncline"
    modules.mkdir(parents=True)
    (tmp_path / "package").rename(modules / "client")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    return tmp_path


async def test_the_example_of_its_readme_is_typed_and_runs(installed: Path, wire: Wire):
    [example] = re.findall(r"```ts\n(.*?)```", README, re.DOTALL)
    options = wire.options()
    here = {
        "http://127.0.0.1:8080": options["url"],
        "sl_client_…": options["key"],
        'fetch("/sync-token").then((answer) => answer.text())': json.dumps(options["token"]),
    }
    assert len(re.findall(r"^(?!\s*$)", example, re.MULTILINE)) <= 20
    for printed, real in here.items():
        assert printed in example
        example = example.replace(printed, real)
    (installed / "example.ts").write_text(f"{example}\nawait sync.stop();\n")
    strict = ("--strict", "--target", "es2022", "--module", "nodenext", "--types", "", "--lib", "es2022,dom")
    tool("tsc", "--ignoreConfig", *strict, str(installed / "example.ts"))
    assert "[ 'Milk' ]" in await asyncio.to_thread(run_node, str(installed / "example.js"))
    [todo] = (await wire.stored()).values()
    assert todo == {"title": "Milk"}


def test_a_bundler_takes_the_package(installed: Path):
    (installed / "app.js").write_text(
        'import { createSync } from "@syncline/client";\nconsole.log(typeof createSync);\n'
    )
    options = ("--bundle", "--format=esm", "--log-level=warning", f"--outfile={installed / 'out.js'}")
    tool("esbuild", str(installed / "app.js"), *options)
    assert run_node(str(installed / "out.js")) == "function\n"
