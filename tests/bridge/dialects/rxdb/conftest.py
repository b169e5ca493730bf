"""Apps of a user of the test's own."""

from collections.abc import Callable

import pytest

from bridge.bridged import Bridged
from bridge.dialects.rxdb.app import App


@pytest.fixture
def app(bridged: Bridged, user: str) -> App:
    return App(bridged, user)


@pytest.fixture
def device(bridged: Bridged, user: str) -> Callable[[str], App]:
    """Make an app of the user on a known device."""
    return lambda name: App(bridged, user, device=name)
