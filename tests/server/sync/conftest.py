"""The rules over a project of a test's own."""

from collections.abc import AsyncIterator, Callable

import pytest

from rules import Rules, rules_on
from syncline_server.store.engine import Engines


@pytest.fixture
async def rules(shared_engines: Engines, unique: Callable[[str], str]) -> AsyncIterator[Rules]:
    """The rules over a project of this test's own, on a database of each kind."""
    async with rules_on(shared_engines, unique("rules")) as over:
        yield over
