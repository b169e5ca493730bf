"""What the load pushes and pulls: the same messages for the server and for the floor."""

import json
import time
from typing import Final

from syncline.v1 import sync_pb2

TYPE: Final = "todo"
DATA: Final = json.dumps(
    {
        "title": "Water the plants on the balcony",
        "done": False,
        "list": "home",
        "position": 1024,
        "note": "twice a week",
    }
)

Headers = tuple[tuple[str, str], ...]


def push(changes: int) -> sync_pb2.PushRequest:
    """Return a push of new entities; the server makes their ids, so it can be sent any number of times."""
    change = sync_pb2.Change(entity_type=TYPE, action=sync_pb2.ACTION_CREATE, data=DATA.encode())
    change.client_timestamp.GetCurrentTime()
    return sync_pb2.PushRequest(changes=[change] * changes)


def pushed_json(entity_id: str) -> str:
    """Return the body of a push of one new entity over HTTP."""
    change = {
        "entity_type": TYPE,
        "entity_id": entity_id,
        "action": "create",
        "data": json.loads(DATA),
        "client_timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    return json.dumps({"changes": [change]})


def framed(message: bytes) -> bytes:
    """Return a message as it travels in gRPC: uncompressed, after its length."""
    return b"\0" + len(message).to_bytes(4, "big") + message
