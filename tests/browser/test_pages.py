"""The pages of the bridge in a real browser: on a laptop and on a phone, light and dark."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bridge.bridged import bridge_on
from browser.pages import CHROMIUM, NARROW, WIDE, opened_chromium, watched
from harness import settings_for, started_server

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian package: chromium)")
LOOKS = [(WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark")]


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Any]:
    async with opened_chromium() as running:
        yield running


@pytest.fixture(scope="module")
async def origin(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    settings = settings_for(f"sqlite:///{tmp_path_factory.mktemp('pages') / 'syncline.db'}")
    async with started_server(settings) as server, bridge_on(server) as address:
        yield f"http://{address}"


async def ground(page: Any) -> int:
    """Return how bright the page is, from 0 to 255."""
    colour = await page.evaluate(
        "[document.body, document.documentElement].map((one) => getComputedStyle(one).backgroundColor)"
        ".find((colour) => colour !== 'rgba(0, 0, 0, 0)')"
    )
    return int(colour.removeprefix("rgb(").partition(",")[0])


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
async def test_the_first_page_is_one_screen_that_says_that_all_is_well(
    browser: Any, origin: str, size: tuple[int, int], scheme: str
):
    seen = await watched(browser, origin, size, scheme)
    await seen.page.goto(origin)
    await seen.page.locator("#health[data-state=ready]").wait_for()
    await seen.page.get_by_text("writes: ok").wait_for()
    assert await seen.pages_high() <= 1
    assert not await seen.overflows()
    assert (await ground(seen.page) < 128) is (scheme == "dark")
    assert seen.well_behaved()


@pytest.mark.parametrize(("size", "scheme"), [LOOKS[0], LOOKS[-1]])
async def test_the_documentation_is_shown_without_any_other_host(
    browser: Any, origin: str, size: tuple[int, int], scheme: str
):
    seen = await watched(browser, origin, size, scheme)
    await seen.page.goto(f"{origin}/docs")
    push = seen.page.locator(".opblock-post").first
    await push.locator(".opblock-summary-control").click()
    await seen.page.get_by_text("Try it out").first.wait_for()
    assert not await seen.overflows()
    assert (await ground(seen.page) < 128) is (scheme == "dark")
    assert seen.well_behaved()


async def test_the_first_page_says_when_the_server_cannot_be_reached_and_when_it_is_back(browser: Any, tmp_path: Any):
    settings = settings_for(f"sqlite:///{tmp_path / 'syncline.db'}")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(started_server(settings))
        async with bridge_on(server) as address:
            seen = await watched(browser, f"http://{address}")
            await seen.page.clock.install()
            await seen.page.goto(f"http://{address}")
            await seen.page.locator("#health[data-state=ready]").wait_for()
            await stack.aclose()
            await asyncio.gather(
                seen.page.clock.run_for(5000), seen.page.locator("#health[data-state=unavailable]").wait_for()
            )
            assert seen.elsewhere == []
