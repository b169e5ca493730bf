"""React and TanStack DB show what the package has, and write by it."""

import asyncio
import shutil
from pathlib import Path

from clients.typescript.building import PACKAGE, tool
from clients.typescript.conftest import Wire
from clients.typescript.device import Browser, Node
from clients.typescript.test_package import HERE, run_node
from waiting import until


async def test_components_show_what_is_there_and_change_it(browser: Browser, wire: Wire, tmp_path: Path):
    bundle = tmp_path / "react.js"
    shutil.copy(HERE / "react_page.js", tmp_path)
    link_modules(tmp_path)
    options = ("--bundle", "--format=esm", "--log-level=error", '--define:process.env.NODE_ENV="production"')
    tool("esbuild", str(tmp_path / "react_page.js"), *options, f"--outfile={bundle}")
    page = await (await browser.profile()).page()
    await page.page.add_script_tag(path=bundle, type="module")
    await page.page.wait_for_function("typeof globalThis.show === 'function'")
    await page.run(
        """
        open('one', options);
        document.body.append(document.createElement('main'));
        show(apps.one, document.querySelector('main'));
        await apps.one.todo.create({ id: 'second', title: 'Milk', done: false });
        await apps.one.todo.create({ id: 'first', title: 'Bread', done: false });
        """,
        options=wire.options(),
    )
    texts = page.page.locator("li").all_inner_texts
    await until(lambda: shown(texts, ["Bread", "Milk"]))
    await page.page.locator("button", has_text="Bread false").click()
    await until(lambda: shown(texts, ["Milk"]))
    await page.page.locator("output", has_text="live 0").wait_for()
    assert (await wire.stored())["todo/first"] == {"title": "Bread", "done": True}


async def shown(texts: object, expected: list[str]) -> bool:
    found: list[str] = await texts()  # type: ignore[operator]
    return found == expected


async def test_a_live_collection_of_tanstack_db_is_synced(wire: Wire, tmp_path: Path, node: Node):
    shutil.copy(HERE / "tanstack.mjs", tmp_path)
    link_modules(tmp_path)
    options = wire.options()
    arguments = (str(tmp_path / "tanstack.mjs"), options["url"], options["key"], options["token"])
    assert await asyncio.to_thread(run_node, *arguments) == "all the same\n"


def link_modules(folder: Path) -> None:
    """Let programs in a folder import the package, and what it was developed with."""
    modules = folder / "node_modules"
    modules.mkdir()
    for module in (PACKAGE / "node_modules").iterdir():
        if not module.name.startswith("."):
            (modules / module.name).symlink_to(module)
    (modules / "@syncline").mkdir()
    (modules / "@syncline/client").symlink_to(PACKAGE)
