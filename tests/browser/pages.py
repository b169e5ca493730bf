"""Pages in a real browser, watched: what they complain of, and whom they ask."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
WIDE, NARROW = (1280, 800), (390, 844)
"""A laptop, and a phone."""


@dataclass
class Watched:
    """A page, and what it has done that it should not."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console, refusals by the content security policy among them."""
    elsewhere: list[str] = field(default_factory=list)
    """What was asked of other hosts."""

    async def overflows(self) -> bool:
        """Tell whether one has to scroll sideways."""
        return bool(await self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    async def pages_high(self) -> float:
        """Return how many screens it is high."""
        return float(await self.page.evaluate("document.documentElement.scrollHeight / innerHeight"))

    def well_behaved(self) -> bool:
        """Tell that there is nothing to complain of."""
        assert not self.complaints
        assert not self.elsewhere
        return True


@asynccontextmanager
async def opened_chromium() -> AsyncIterator[Any]:
    """Run a browser."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


async def watched(browser: Any, origin: str, size: tuple[int, int] = WIDE, scheme: str = "light") -> Watched:
    """Open an empty page of a person of its own, who prefers this scheme of colours."""
    width, height = size
    context = await browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    made = Watched(await context.new_page())

    def hear(message: Any) -> None:
        if message.type in {"error", "warning"}:
            made.complaints.append(message.text)

    def see(request: Any) -> None:
        if not request.url.startswith((f"{origin}/", "data:")):
            made.elsewhere.append(request.url)

    made.page.on("console", hear)
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    made.page.on("request", see)
    return made
