"""What a person is told at the start: where it listens, where the data is, how to stop; at the first also the keys."""

import json
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from syncline_command.links import demo_link, site
from syncline_server.identity.projects import NewProject
from syncline_server.settings import ServerSettings
from syncline_server.store.database import database

_RUNNING: Final = """\
Syncline {version} is running.
{http}
  gRPC on     {grpc}
  data in     {data}
  stop        Ctrl+C
  start over  {over}
"""
_HTTP: Final = """
  HTTP on     {url}  (open it in a browser; documentation at /docs)"""
_PROJECT: Final = """
Project "{project}" is new. Its keys are shown this once:
  client key     {client_key}
  server key     {server_key}
  session token  {token}
                 (user "demo", valid for 24 hours; make others with `syncline token`)
"""
_DEMO: Final = """
A list in two windows, live, with a wire to cut (for 24 hours; then `syncline demo` prints another link):
  {link}
"""
_CURL: Final = """
Push a change:
  curl -X POST '{url}/client/sync' -H 'X-Api-Key: {client_key}' -H 'Authorization: Bearer {token}' \
-H 'Content-Type: application/json' -d '{body}'

Pull it:
  curl '{url}/client/sync?entity_type=todo' -H 'X-Api-Key: {client_key}' -H 'Authorization: Bearer {token}'
"""


def running(settings: ServerSettings, grpc_address: str) -> str:
    """Return the text for every start."""
    http = "" if settings.no_http else _HTTP.format(url=_url(settings))
    return _RUNNING.format(
        version=version("syncline"), http=http, grpc=grpc_address, data=_data(settings), over=_over(settings)
    )


def welcome(settings: ServerSettings, made: NewProject, token: str, *, has_demo: bool) -> str:
    """Return the text for an empty database's first start, after that for every start."""
    client_key, url = made.client_key.text, _url(settings)
    text = _PROJECT.format(project=made.name, client_key=client_key, server_key=made.server_key.text, token=token)
    if settings.no_http:
        return text
    demo = _DEMO.format(link=demo_link(url, client_key, token)) if has_demo else ""
    return text + demo + _CURL.format(url=url, client_key=client_key, token=token, body=_first_push())


def _url(settings: ServerSettings) -> str:
    return site(settings.http_address, has_tls=settings.tls_certificate is not None)


def _data(settings: ServerSettings) -> str:
    """Name the database, without its password."""
    if settings.database is None:
        return str(settings.data_dir.absolute())
    return str(database(settings.database, settings.data_dir))


def _over(settings: ServerSettings) -> str:
    if settings.database is None:
        return f"stop it, then: rm -r '{settings.data_dir.absolute()}'"
    return "stop it, then start it on an empty database"


def _first_push() -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    change = {
        "entity_type": "todo",
        "entity_id": "first",
        "action": "create",
        "data": {"title": "Try Syncline", "done": False},
        "client_timestamp": now,
    }
    return json.dumps({"changes": [change]})
