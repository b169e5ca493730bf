"""How the migrations are run: with Alembic, which nothing else needs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

Progress = Callable[[int, int], None]
"""Is told how many rows are done, and of how many."""
Step = Callable[[Operations], None]


def config() -> Config:
    """Return where Alembic finds the migrations."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent))
    return found


def scripts(after: str | None = None) -> list[Script]:
    """Return the migrations after a schema (None: all), in their order."""
    every = list(ScriptDirectory.from_config(config()).walk_revisions())[::-1]
    return [script for script in every if after is None or script.revision > after]


def phases_of(script: Script) -> Any:
    """Return how a migration goes by phases on PostgreSQL; None: it does not, being a matter of milliseconds."""
    return getattr(script.module, "POSTGRESQL", None)


def upgrade(connection: Connection, revision: str = "head", progress: Progress | None = None) -> None:
    """Run what has not been run on this database yet, up to a revision, in the transaction of the connection."""
    on_this = config()
    on_this.attributes["connection"] = connection
    on_this.attributes["progress"] = progress
    command.upgrade(on_this, revision)


def run_step(connection: Connection, step: Step) -> None:
    """Run one step of a phase."""
    step(Operations(MigrationContext.configure(connection)))
