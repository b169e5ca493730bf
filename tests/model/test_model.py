"""The server does what the model says, whatever happens."""

import os
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

pytest.register_assert_rewrite("model.devices", "model.dialects", "model.world")

from model.machine import Machine  # noqa: E402  # after its asserts are asked for in full
from model.served import served  # noqa: E402  # as above

FEW_EXAMPLES = 50
STEPS = 40
LONG_SECONDS = 4 * 3600
"""How long one database may take; ten thousand examples take about two hours on a quiet machine of two cores."""
examples = int(os.environ.get("SYNCLINE_MODEL_EXAMPLES", FEW_EXAMPLES))
is_long = examples > FEW_EXAMPLES


@pytest.mark.timeout(LONG_SECONDS if is_long else 600)
def test_the_server_does_what_the_model_says(database_url: str, tmp_path: Path) -> None:
    """The same examples each time in the default run, others each time in `make model-long`."""
    settings = hypothesis.settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        derandomize=not is_long,
        database=None,  # no example is any use to another day's projects
        print_blob=True,
        phases=[Phase.generate, Phase.shrink],  # to explain one costs more calls than to shrink it
        suppress_health_check=list(HealthCheck),  # an example takes as long as the server does
    )
    with served(database_url, tmp_path) as running:
        run_state_machine_as_test(type("MachineOn", (Machine,), {"served": running}), settings=settings)
