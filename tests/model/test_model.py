"""The server does what the model says, whatever happens."""

import os
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis.stateful import run_state_machine_as_test

pytest.register_assert_rewrite("model.devices", "model.dialects", "model.world")

from model.machine import Machine
from model.served import served

EXAMPLES = int(os.environ.get("SYNCLINE_MODEL_EXAMPLES", "200"))


def test_the_server_does_what_the_model_says(database_url: str, tmp_path: Path) -> None:
    settings = hypothesis.settings(
        max_examples=EXAMPLES,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    with served(database_url, tmp_path) as running:
        run_state_machine_as_test(type("MachineOn", (Machine,), {"served": running}), settings=settings)
