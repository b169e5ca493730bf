"""Server-sent events in a real browser."""

import asyncio
import json
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from harness import Project, make_project, settings_for
from ports import free_port
from waiting import until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PAGE = Path(__file__).with_name("page.html").read_text()
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian package: chromium)")


class Site:
    """`syncline serve` as a process of its own, on fixed ports, so that it can go and come back."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self.http, self._grpc = free_port(), free_port()
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "syncline_command", "serve", "--data-dir", str(self._data_dir)),
            *("--grpc-address", f"127.0.0.1:{self._grpc}", "--http-address", f"127.0.0.1:{self.http}"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await until(self._answers)

    async def stop(self) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        return await self._process.wait()

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.http)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
        except OSError:
            return False
        return b" 200 " in answer


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    running = Site(tmp_path)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def project(tmp_path: Path, site: Site) -> Project:
    return await make_project(settings_for(f"sqlite:///{tmp_path / 'syncline.db'}"), "browser")


@asynccontextmanager
async def opened_browser(site: Site, project: Project) -> AsyncIterator[object]:
    from playwright.async_api import async_playwright

    headers = {"X-Api-Key": project.client_key, "Authorization": f"Bearer {project.token('ada')}"}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = await browser.new_context()
        await context.add_init_script(f"window.name = {json.dumps(json.dumps(headers))}")
        await context.route(f"http://127.0.0.1:{site.http}/app", lambda route: route.fulfill(body=PAGE))
        yield context
        await browser.close()


async def test_a_tab_shows_what_another_pushed_and_goes_on_without_a_gap_after_a_restart(site: Site, project: Project):
    async with opened_browser(site, project) as context:
        first, second = await context.new_page(), await context.new_page()
        for tab in (first, second):
            await tab.goto(f"http://127.0.0.1:{site.http}/app")
        await first.evaluate("push('one')")
        await second.locator("li", has_text="one").wait_for(timeout=20_000)

        await site.stop()
        pushing = asyncio.create_task(first.evaluate("push('two').then(() => push('three'))"))
        await site.start()
        await pushing
        await second.locator("li", has_text="three").wait_for(timeout=30_000)

        for tab in (first, second):
            await tab.locator("li", has_text="three").wait_for(timeout=30_000)
            assert await tab.evaluate("applied") == ["one", "two", "three"]
