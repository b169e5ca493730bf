"""What a new user is told: the first project's keys, and commands that work when pasted."""

import json
from datetime import UTC, datetime

from syncline_server.identity.projects import NewProject
from syncline_server.settings import ServerSettings

_TEMPLATE = """\
Syncline is running: gRPC on {grpc}{http}

Project "{project}" is new. Its keys are shown this once:
  client key     {client_key}
  server key     {server_key}
  session token  {token}
                 (user "demo", valid for 24 hours; make others with `syncline token`)
"""
_CURL = """
Push a change:
  curl -X POST '{url}/client/sync' -H 'X-Api-Key: {client_key}' -H 'Authorization: Bearer {token}' \
-H 'Content-Type: application/json' -d '{body}'

Pull it:
  curl '{url}/client/sync?entity_type=todo' -H 'X-Api-Key: {client_key}' -H 'Authorization: Bearer {token}'
"""


def welcome(settings: ServerSettings, grpc_address: str, made: NewProject, token: str) -> str:
    """Return the text for an empty database's first start."""
    scheme = "http" if settings.tls_certificate is None else "https"
    url = f"{scheme}://{settings.http_address}"
    http = "" if settings.no_http else f", HTTP on {url} (documentation at /docs)"
    text = _TEMPLATE.format(
        grpc=grpc_address,
        http=http,
        project=made.name,
        client_key=made.client_key.text,
        server_key=made.server_key.text,
        token=token,
    )
    if settings.no_http:
        return text
    return text + _CURL.format(url=url, client_key=made.client_key.text, token=token, body=_first_push())


def _first_push() -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    change = {
        "entity_type": "todo",
        "entity_id": "first",
        "action": "create",
        "data": {"title": "Try Syncline"},
        "client_timestamp": now,
    }
    return json.dumps({"changes": [change]})
