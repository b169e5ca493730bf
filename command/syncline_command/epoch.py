"""The commands about epochs: `syncline epoch …`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from syncline_command.options import Database, DataDir, examples


def epoch_app(run: Callable[..., Any]) -> typer.Typer:
    """Return the commands; `run` does async work with the settings it is given, and returns what comes of it."""
    app = typer.Typer(no_args_is_help=True, help="Epochs: where the history of the database may have forked.")

    @app.command(epilog=examples("syncline epoch new", "syncline epoch new --database postgresql://…"))
    def new(data_dir: DataDir = None, database: Database = None) -> None:
        """Begin an epoch by hand: after restoring tables of a PostgreSQL database while it ran.

        Starts of the server on SQLite, and starts, promotions and full restores of PostgreSQL, begin one by themselves.
        """
        from syncline_server import admin

        begun = run(admin.new_epoch, data_dir=data_dir, database=database)
        typer.echo(f"Epoch {begun.number} has begun.")

    @app.command("list", epilog=examples("syncline epoch list", "syncline epoch list --json"))
    def list_all(
        as_json: Annotated[
            bool, typer.Option("--json", envvar="SYNCLINE_JSON", help="Print one JSON object a line.")
        ] = False,
        data_dir: DataDir = None,
        database: Database = None,
    ) -> None:
        """Print all epochs, oldest first: their number, when and why they began, and in which incarnation."""
        from syncline_server import admin

        for epoch in run(admin.epochs, data_dir=data_dir, database=database):
            facts = {
                "number": epoch.number,
                "id": epoch.id,
                "started_at": datetime.fromtimestamp(epoch.started_at_us / 1_000_000, UTC).isoformat(),
                "cause": epoch.cause,
                "incarnation": epoch.incarnation,
            }
            typer.echo(json.dumps(facts) if as_json else "  ".join(str(fact) for fact in facts.values()))

    return app
