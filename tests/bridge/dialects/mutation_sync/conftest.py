"""Apps of a user of the test's own."""

import pytest

from bridge.bridged import Bridged
from bridge.dialects.mutation_sync.app import App


@pytest.fixture
def app(bridged: Bridged, user: str) -> App:
    return App(bridged, user)
