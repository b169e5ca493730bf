"""How the migrations are run: with Alembic, which nothing else needs."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def config() -> Config:
    """Return where Alembic finds the migrations."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent))
    return found


def upgrade(connection: Connection) -> None:
    """Run what has not been run on this database yet."""
    on_this = config()
    on_this.attributes["connection"] = connection
    command.upgrade(on_this, "head")
