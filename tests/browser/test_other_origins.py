"""Pages of another origin in a real browser: what they may do, and what a refused one and its operator are told."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from browser.test_live import CHROMIUM, FLAGS, Site
from harness import Project, make_project, settings_for
from waiting import until

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian package: chromium)")

LOCAL, LISTED, REFUSED = "localhost", "listed.example", "refused.example"
"""Hosts of pages: the loopback, a listed one, and one that is not."""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<!doctype html>"
SCRIPT = """
async ({ base, headers }) => {
  const change = {
    entity_type: "todo", entity_id: "milk", action: "create", data: { title: "Milk" },
    client_timestamp: new Date().toISOString(),
  };
  const body = JSON.stringify({ changes: [change] });
  const json = { ...headers, "Content-Type": "application/json" };
  const seen = {};
  const pushed = await fetch(`${base}/client/sync`, { method: "POST", headers: json, body });
  seen.pushed = (await pushed.json()).data.applied;
  const page = await fetch(`${base}/client/sync?entity_type=todo&since=1`, { headers });
  seen.pulled = (await page.json()).data.changes.map((one) => one.entity_id);
  seen.shown = ["date", "etag", "x-ignored-parameters", "x-request-id"].filter((name) => page.headers.has(name));
  const tag = { ...headers, "If-None-Match": page.headers.get("etag") };
  seen.again = (await fetch(`${base}/client/sync?entity_type=todo`, { headers: tag })).status;
  const error = await fetch(`${base}/client/sync`, { headers });
  seen.error = [error.status, (await error.json()).error.details.field];
  const { ticket } = (await (await fetch(`${base}/client/sync/ticket`, { method: "POST", headers })).json()).data;
  seen.streamed = await new Promise((resolve, reject) => {
    const stream = new EventSource(`${base}/client/sync/stream?entity_type=todo&ticket=${ticket}`);
    stream.onmessage = ({ data }) => { stream.close(); resolve(JSON.parse(data).changes.length); };
    stream.onerror = () => reject(new Error("no stream"));
  });
  const mutation = { "x-client-id": headers["X-Api-Key"], "x-auth-token": headers.Authorization.slice(7) };
  const head = await fetch(`${base}/v1/sync?mutationsSince=0`, { headers: mutation });
  seen.head = head.headers.get("x-mutation-at") === String((await head.json()).data.lastMutationAt);
  return seen;
}
"""


class CrossSite(Site):
    """`syncline serve` that lets listed origins in, with its log in a file."""

    def __init__(self, data_dir: Path, listed: str) -> None:
        super().__init__(data_dir)
        self._listed = listed

    async def start(self) -> None:
        self.log = self._data_dir / "err.txt"
        with self.log.open("wb") as err:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "syncline_command", "serve", "--data-dir", str(self._data_dir)),
                *("--grpc-address", f"127.0.0.1:{self._grpc}", "--http-address", f"127.0.0.1:{self.http}"),
                *("--cors-origin", "http://other.example", "--cors-origin", self._listed),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=err,
            )
        await until(self._answers)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server of pages, whatever host they are asked of."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def site(tmp_path: Path, port: int) -> AsyncIterator[CrossSite]:
    running = CrossSite(tmp_path, f"http://{LISTED}:{port}")
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def asked(tmp_path: Path, site: CrossSite) -> dict[str, Any]:
    project: Project = await make_project(settings_for(f"sqlite:///{tmp_path / 'syncline.db'}"), "browser")
    headers = {"X-Api-Key": project.client_key, "Authorization": f"Bearer {project.token('ada')}"}
    return {"base": f"http://127.0.0.1:{site.http}", "headers": headers}


@asynccontextmanager
async def page_at(origin: str) -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        flags = [*FLAGS, "--host-resolver-rules=MAP *.example 127.0.0.1"]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = await browser.new_page()
        await page.goto(origin)
        yield page
        await browser.close()


@pytest.mark.parametrize("host", [LOCAL, LISTED])
async def test_a_page_of_another_origin_that_is_let_in_can_do_all_that_the_dialects_offer(
    asked: dict[str, Any], host: str, port: int
):
    async with page_at(f"http://{host}:{port}") as page:
        seen = await page.evaluate(SCRIPT, asked)
    assert seen == {
        "pushed": 1,
        "pulled": ["milk"],
        "shown": ["date", "etag", "x-ignored-parameters", "x-request-id"],
        "again": 304,
        "error": [400, "entity_type"],
        "streamed": 1,
        "head": True,
    }


async def test_a_page_that_is_refused_gets_nothing_and_its_operator_a_sentence(
    site: CrossSite, asked: dict[str, Any], port: int
):
    origin = f"http://{REFUSED}:{port}"
    async with page_at(origin) as page:
        told = await page.evaluate(f"(asked) => ({SCRIPT})(asked).catch(String)", asked)
    assert "Failed to fetch" in told, json.dumps(told)
    assert f"browser origin {origin} refused: set SYNCLINE_CORS_ORIGINS" in site.log.read_text()
