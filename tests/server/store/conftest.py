"""A log of each test's own in a store of each kind."""

from collections.abc import Callable

import pytest

from storage import Log, log_in
from syncline_server.store.engine import Engines


@pytest.fixture
async def log(shared_engines: Engines, unique: Callable[[str], str]) -> Log:
    """A log of this test's own in the shared database."""
    return await log_in(shared_engines, unique("test"))
