"""Options that several commands have, and how their help looks."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(envvar="SYNCLINE_DATA_DIR", help="Folder of the SQLite database.  [default: syncline-data]"),
]
Database = Annotated[
    str | None,
    typer.Option(envvar="SYNCLINE_DATABASE", help="Database URL: postgresql://… or sqlite:///path."),
]
GrpcAddress = Annotated[
    str | None,
    typer.Option(envvar="SYNCLINE_GRPC_ADDRESS", help="HOST:PORT for gRPC.  [default: 127.0.0.1:50051]"),
]
HttpAddress = Annotated[
    str | None,
    typer.Option(envvar="SYNCLINE_HTTP_ADDRESS", help="HOST:PORT for HTTP.  [default: 127.0.0.1:8080]"),
]


def examples(*lines: str) -> str:
    """Return the lines as the end of a command's help."""
    # \b keeps the lines as they are.
    return "Examples:\n\n\b\n" + "\n".join(f"  {line}" for line in lines)
