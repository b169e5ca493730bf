"""What the tests of commands share."""

from pathlib import Path

import pytest

from system.processes import Commands, commands_in


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Commands in a folder of this test's own."""
    return commands_in(tmp_path)
