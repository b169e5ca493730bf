"""The demo: what is served is what the example is built to, and two browsers agree however their wires are cut."""

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bridge.bridged import bridge_on
from browser.pages import CHROMIUM, NARROW, WIDE, Watched, opened_chromium, watched
from demo.building import SERVED, build
from harness import Server, settings_for, started_server
from syncline_command.links import demo_link

PICTURE = os.environ.get("PICTURE")
"""Where to put the picture of the README; `make picture` sets it."""
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian package: chromium)")


def test_what_is_served_is_what_the_example_is_built_to(tmp_path: Path):
    build(tmp_path)
    assert {path.name for path in SERVED.iterdir()} == {path.name for path in tmp_path.iterdir()}
    for path in tmp_path.iterdir():
        assert path.read_bytes() == (SERVED / path.name).read_bytes(), f"{path.name} is of before: make demo"


@dataclass(frozen=True)
class Site:
    """A server with the demo, and a browser."""

    browser: Any
    origin: str
    server: Server

    async def open(self, size: tuple[int, int] = WIDE, scheme: str = "light", user: str = "ada") -> Watched:
        """Open the demo's link in a browser of its own."""
        seen = await watched(self.browser, self.origin, size, scheme)
        project = self.server.project
        await seen.page.goto(demo_link(self.origin, project.client_key, project.token(user)))
        await seen.page.locator(".window[data-phase=live]").nth(1).wait_for()
        return seen


@pytest.fixture(scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    settings = settings_for(f"sqlite:///{tmp_path_factory.mktemp('demo') / 'syncline.db'}")
    async with started_server(settings) as server, bridge_on(server) as address, opened_chromium() as browser:
        yield Site(browser, f"http://{address}", server)


def window(seen: Watched, number: int) -> Any:
    return seen.page.locator(".window").nth(number)


async def add(of: Any, title: str) -> None:
    await of.locator("input[name=title]").fill(title)
    await of.locator("input[name=title]").press("Enter")


async def shows(of: Any, *titles: str) -> None:
    for title in titles:
        await of.locator(".todos .title", has_text=title).wait_for()


@in_a_browser
async def test_what_one_window_adds_all_windows_of_both_browsers_show(site: Site):
    here, there = await site.open(user="both"), await site.open(NARROW, "dark", user="both")
    await add(window(here, 0), "Buy milk")
    await add(window(there, 1), "Call Ada")
    for seen in (here, there):
        for number in (0, 1):
            await shows(window(seen, number), "Buy milk", "Call Ada")
        assert not await seen.overflows()
        assert seen.well_behaved()


@in_a_browser
async def test_a_cut_window_shows_what_waits_and_catches_up(site: Site):
    here = await site.open(user="cut")
    left, right = window(here, 0), window(here, 1)
    for title in ("Buy milk", "Call Ada", "Water the plants"):
        await add(left, title)
        await shows(right, title)
    await right.get_by_role("button", name="Cut the wire").click()
    await add(right, "Book the train")
    await right.locator(".todos li", has_text="Call Ada").get_by_role("checkbox").click()
    await right.get_by_role("list", name="Outbox: 2 changes wait").wait_for()
    await add(left, "Feed the cat")
    await shows(left, "Feed the cat")
    assert not await right.get_by_text("Feed the cat").count()
    assert not await left.get_by_text("Book the train").count()
    if PICTURE:
        await here.page.set_viewport_size({"width": 1080, "height": 580})
        await here.page.screenshot(path=PICTURE)
    await right.get_by_role("button", name="Mend the wire").click()
    await right.get_by_text("Caught up in").wait_for()
    assert "2 sent, 1 received" in await right.locator(".note").inner_text()
    for each in (left, right):
        await shows(each, "Book the train", "Feed the cat")
        await each.locator(".done", has_text="Call Ada").wait_for()
        assert not await each.locator(".waits, .outbox li").count()
    assert here.well_behaved()


@in_a_browser
async def test_what_was_written_without_a_wire_survives_a_reload(site: Site):
    here = await site.open(user="reload")
    await window(here, 0).get_by_role("button", name="Cut the wire").click()
    await add(window(here, 0), "Kept")
    await window(here, 0).locator(".waits").wait_for()
    await here.page.reload()
    await shows(window(here, 1), "Kept")
    assert here.well_behaved()


@in_a_browser
async def test_a_page_without_a_link_asks_for_one_and_opens_it(site: Site):
    here = await watched(site.browser, site.origin, NARROW)
    await here.page.goto(f"{site.origin}/demo")
    project = site.server.project
    await here.page.get_by_label("Or paste the link").fill(
        demo_link(site.origin, project.client_key, project.token("ada"))
    )
    await here.page.get_by_role("button", name="Open").click()
    await here.page.locator(".window[data-phase=live]").nth(1).wait_for()
    assert here.well_behaved()


@in_a_browser
async def test_a_link_that_is_no_longer_good_says_what_to_do(site: Site):
    here = await watched(site.browser, site.origin)
    await here.page.goto(demo_link(site.origin, site.server.project.client_key, "expired"))
    await here.page.get_by_text("The link is no longer good").wait_for()
    assert await here.page.get_by_text("syncline demo").is_visible()
