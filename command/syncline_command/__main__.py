"""The commands: `syncline …`, or `python -m syncline_server …`."""

import json
import os
import re
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn, TypeVar

import typer
import uvloop
from pydantic import ValidationError

from syncline_command.epoch import epoch_app
from syncline_command.options import Database, DataDir, GrpcAddress, HttpAddress, examples
from syncline_server.settings import ServerSettings
from syncline_verify import cli

# gRPC's own log lines say nothing that ours do not; it reads this when it is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

T = TypeVar("T")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Syncline: a self-hosted sync server. Start with `syncline serve`.",
)
project_app = typer.Typer(no_args_is_help=True, help="Make and list projects: tenants with keys of their own.")
app.add_typer(project_app, name="project")


@app.command(
    epilog=examples(
        "syncline serve",
        "syncline serve --data-dir /var/lib/syncline --http-address 0.0.0.0:8080",
        "syncline serve --database postgresql://syncline@db/syncline --no-http",
    )
)
def serve(
    data_dir: DataDir = None,
    database: Database = None,
    grpc_address: GrpcAddress = None,
    http_address: HttpAddress = None,
    no_http: Annotated[
        bool | None, typer.Option("--no-http", envvar="SYNCLINE_NO_HTTP", help="Without the HTTP bridge.")
    ] = None,
) -> None:
    """Run the whole of Syncline on this machine: gRPC, and HTTP beside it."""
    from syncline_command.serve import run_all

    settings = _settings(
        data_dir=data_dir, database=database, grpc_address=grpc_address, http_address=http_address, no_http=no_http
    )
    _run(lambda: run_all(settings), settings)


@app.command(
    epilog=examples(
        "syncline server --database postgresql://syncline@db/syncline",
        "syncline server --database postgresql://syncline@db/syncline --workers 4",
    )
)
def server(
    data_dir: DataDir = None,
    database: Database = None,
    grpc_address: GrpcAddress = None,
    workers: Annotated[
        int | None,
        typer.Option(envvar="SYNCLINE_WORKERS", help="Processes that share the port; needs PostgreSQL.  [default: 1]"),
    ] = None,
) -> None:
    """Run the gRPC server alone."""
    from syncline_command.serve import run_server
    from syncline_command.workers import run_workers

    settings = _settings(data_dir=data_dir, database=database, grpc_address=grpc_address, workers=workers)
    run = run_server if settings.workers == 1 else run_workers
    _run(lambda: run(settings), settings)


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog=examples("syncline bridge --grpc-target 127.0.0.1:50051", "syncline bridge --help"),
)
def bridge(context: typer.Context) -> None:
    """Run the HTTP bridge alone; see `syncline bridge --help`."""
    os.execv(sys.executable, [sys.executable, "-m", "syncline_bridge", *context.args])  # noqa: S606  # no shell wanted


@app.command(epilog=examples("syncline migrate --database postgresql://syncline@db/syncline"))
def migrate(data_dir: DataDir = None, database: Database = None) -> None:
    """Bring the database's schema up to date."""
    from syncline_server import admin

    settings = _settings(data_dir=data_dir, database=database)
    typer.echo(f"The schema is at {_run(lambda: admin.migrate(settings), settings)}.")


@project_app.command("create", epilog=examples("syncline project create notes", "syncline project create notes --json"))
def project_create(
    name: str,
    as_json: Annotated[bool, typer.Option("--json", envvar="SYNCLINE_JSON", help="Print one JSON object.")] = False,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Make a project and print its keys, this once."""
    from syncline_server import admin

    settings = _settings(data_dir=data_dir, database=database)
    made = _run(lambda: admin.create_project(settings, name), settings)
    facts = {"project": made.name, "client_key": made.client_key.text, "server_key": made.server_key.text}
    if as_json:
        typer.echo(json.dumps(facts))
        return
    for label, value in facts.items():
        typer.echo(f"{label.replace('_', ' '):<11} {value}")


@project_app.command("list", epilog=examples("syncline project list"))
def project_list(data_dir: DataDir = None, database: Database = None) -> None:
    """Print the names of all projects."""
    from syncline_server import admin

    settings = _settings(data_dir=data_dir, database=database)
    for project in _run(lambda: admin.projects(settings), settings):
        typer.echo(project.name)


@project_app.command("secret", epilog=examples("syncline project secret notes"))
def project_secret(name: str, data_dir: DataDir = None, database: Database = None) -> None:
    """Print the HS256 secret with which your own backend signs session tokens."""
    from syncline_server import admin

    settings = _settings(data_dir=data_dir, database=database)
    typer.echo(_run(lambda: admin.project(settings, name), settings).session_secret)


@app.command(
    epilog=examples(
        "syncline token --project default --user ada",
        "syncline token --project default --user ada --device phone --ttl 30d",
    )
)
def token(
    project: Annotated[str, typer.Option(envvar="SYNCLINE_PROJECT", help="Name of the project.")],
    user: Annotated[str, typer.Option(envvar="SYNCLINE_USER", help="The user it is for.")],
    device: Annotated[str | None, typer.Option(envvar="SYNCLINE_DEVICE", help="The installation it is for.")] = None,
    ttl: Annotated[str, typer.Option(envvar="SYNCLINE_TTL", help="How long it is valid: 90s, 15m, 1h, 30d.")] = "1h",
    scope: Annotated[str | None, typer.Option(envvar="SYNCLINE_SCOPE", help='Limit it to scopes: "sync todo".')] = None,
    data_dir: DataDir = None,
    database: Database = None,
) -> None:
    """Print a session token."""
    from syncline_server import admin

    seconds = _seconds(ttl)
    settings = _settings(data_dir=data_dir, database=database)
    typer.echo(_run(lambda: admin.token(settings, project, user, seconds, device, scope), settings))


@app.command(
    epilog=examples(
        "syncline tail --api-key $SERVER_KEY --all-users --follow",
        "syncline tail --api-key $CLIENT_KEY --token $TOKEN --entity-type todo",
        "syncline tail --api-key $SERVER_KEY --all-users --from 2026-11-21T08:00:00Z",
    )
)
def tail(
    api_key: Annotated[str, typer.Option(envvar="SYNCLINE_API_KEY", help="A project key.")],
    token: Annotated[str | None, typer.Option(envvar="SYNCLINE_TOKEN", help="A session token.")] = None,
    user: Annotated[str | None, typer.Option(envvar="SYNCLINE_USER", help="One user, with a server key.")] = None,
    all_users: Annotated[
        bool, typer.Option("--all-users", envvar="SYNCLINE_ALL_USERS", help="The whole project, with a server key.")
    ] = False,
    entity_type: Annotated[
        list[str] | None, typer.Option(envvar="SYNCLINE_ENTITY_TYPE", help="Only this type; may be repeated.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", envvar="SYNCLINE_FROM", help="A checkpoint token, an RFC 3339 time, or end.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", envvar="SYNCLINE_FOLLOW", help="Go on live.")] = False,
    grpc_address: GrpcAddress = None,
) -> None:
    """Print the log, one JSON object a line."""
    from syncline_command.tail import Tail, print_tail

    settings = _settings(grpc_address=grpc_address)
    wanted = Tail(settings.grpc_address, api_key, token, all_users, user, entity_type or [], start, follow)
    _run(lambda: print_tail(wanted), settings)


def _run_with(work: Callable[[ServerSettings], Coroutine[Any, Any, T]], **options: Any) -> T:
    settings = _settings(**options)
    return _run(lambda: work(settings), settings)


app.add_typer(epoch_app(_run_with), name="epoch")
app.command(epilog=cli.EPILOG)(cli.verify)


def _settings(**options: Any) -> ServerSettings:
    """Return the settings: the environment's, with the options that were given over them."""
    try:
        return ServerSettings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        problem = error.errors()[0]
        _fail(f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}")


def _run(work: Callable[[], Coroutine[Any, Any, T]], settings: ServerSettings) -> T:
    from syncline_server.logs import configure_logs

    configure_logs(settings.log_level, settings.log_format)
    with _told(settings):
        return uvloop.run(work())


@contextmanager
def _told(settings: ServerSettings) -> Iterator[None]:
    """Say what went wrong in a sentence, where it is something a user can mend."""
    from syncline_command.serve import BridgeFailed
    from syncline_command.tail import TailFailed
    from syncline_command.workers import WorkersRefused
    from syncline_server.admin import NoSuchProject
    from syncline_server.rpc.server import AddressInUse
    from syncline_server.store.database import DatabaseUrlInvalid
    from syncline_server.store.registry import ProjectExists
    from syncline_server.store.schema import SchemaNotCurrent
    from syncline_server.store.sqlite.file import DatabaseInUse, NoDatabaseFile
    from syncline_server.sync.errors import RequestInvalid, StoreUnavailable

    try:
        yield
    except DatabaseInUse:
        _fail("another Syncline server owns this SQLite database; for several servers use PostgreSQL")
    except AddressInUse as error:
        _fail(f"cannot listen on {error}: is it in use?")
    except StoreUnavailable as error:
        cause = error.__cause__
        _fail(f"cannot reach the database: {getattr(cause, 'orig', None) or cause}")
    except ProjectExists as error:
        _fail(f"there is a project {error} already")
    except NoSuchProject as error:
        _fail(f"there is no project {error}; `syncline project list` lists them")
    except (DatabaseUrlInvalid, NoDatabaseFile, SchemaNotCurrent, RequestInvalid) as error:
        _fail(str(error))
    except (BridgeFailed, WorkersRefused, TailFailed) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _seconds(duration: str) -> int:
    """Return the seconds of `90s`, `15m`, `1h` or `30d`."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    number, unit = duration[:-1], duration[-1:]
    if unit not in units or not re.fullmatch(r"[1-9][0-9]{0,8}", number):
        _fail(f"--ttl: {duration!r} is not a duration like 90s, 15m, 1h or 30d")
    return int(number) * units[unit]


def _fail(message: str) -> NoReturn:
    typer.echo(f"syncline: {message}", err=True)
    raise typer.Exit(1)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
