"""Where apps run: a process of Node, or pages of a real browser. Both run what a test writes in JavaScript."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

from clients.typescript.building import built, node
from waiting import SOON_SECONDS

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
_LINE_BYTES = 64 * 1024 * 1024


class ScriptFailed(Exception):
    """What a script threw; `code` is that of a SyncError."""

    def __init__(self, text: str, code: str | None) -> None:
        super().__init__(text)
        self.code = code


class Device(Protocol):
    """Something that runs apps."""

    async def run(self, code: str, **args: Any) -> Any:
        """Run the body of an async function beside `apps`, `open`, `shown`, … of driver.js."""


class Node:
    """A process of Node."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = count()
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._reading = asyncio.create_task(self._read())

    async def run(self, code: str, **args: Any) -> Any:
        assert self._process.stdin is not None
        number = next(self._ids)
        called: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[number] = called
        self._process.stdin.write(json.dumps({"id": number, "code": code, "args": args}).encode() + b"\n")
        return await within(called, code)

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            called = self._calls.pop(said["id"])
            if called.done():
                continue
            if "error" in said:
                called.set_exception(ScriptFailed(said["error"], said.get("code")))
            else:
                called.set_result(said["result"])
        for called in self._calls.values():
            if not called.done():
                called.set_exception(ScriptFailed("Node has ended", None))


async def within(called: Awaitable[Any], code: str) -> Any:
    """Await what a script returns; raises AssertionError with the script when that never comes."""
    try:
        async with asyncio.timeout(SOON_SECONDS):
            return await called
    except TimeoutError:
        raise AssertionError(f"this never ended: {code}") from None


async def start_node() -> Node:
    command = (node(), str(HERE / "node_driver.mjs"), str(built()), str(HERE / "driver.js"))
    pipe = asyncio.subprocess.PIPE
    return Node(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, limit=_LINE_BYTES))


class Page:
    """A page of a browser."""

    def __init__(self, page: Any) -> None:
        self.page = page

    async def run(self, code: str, **args: Any) -> Any:
        script = """([code, args]) => run(code, args).then(
            (result) => ({ result }), (error) => ({ error: String(error?.stack ?? error), code: error?.code }))"""
        said = await within(self.page.evaluate(script, [code, args]), code)
        if "error" in said:
            raise ScriptFailed(said["error"], said.get("code"))
        return said["result"]

    async def reload(self) -> None:
        await self.page.reload()
        await self.page.wait_for_function("document.title === 'ready'")

    async def close(self) -> None:
        await self.page.close()


class Profile:
    """A person's browser: its pages share what they keep."""

    def __init__(self, context: Any, url: str) -> None:
        self.context = context
        self._url = url

    async def page(self) -> Page:
        page = await self.context.new_page()
        await page.goto(self._url)
        await page.wait_for_function("document.title === 'ready'")
        return Page(page)


class Browser:
    """Chromium, and the site that its pages come from."""

    def __init__(self, browser: Any, url: str) -> None:
        self._browser = browser
        self._url = url

    async def profile(self) -> Profile:
        return Profile(await self._browser.new_context(), self._url)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@asynccontextmanager
async def opened_browser(folder: Path) -> AsyncIterator[Browser]:
    """Run a browser, and serve the page with the package from a folder of the test's own."""
    from playwright.async_api import async_playwright

    (folder / "dist").symlink_to(built())
    for name in ("page.html", "driver.js"):
        shutil.copy(HERE / name, folder)
    site = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder))
    serving = Thread(target=site.serve_forever)
    serving.start()
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            yield Browser(browser, f"http://127.0.0.1:{site.server_port}/page.html")
            await browser.close()
    finally:
        site.shutdown()
        serving.join()
        site.server_close()
