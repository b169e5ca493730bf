"""What is shown of each operation of this dialect; tests make the same calls and compare the form of the answers."""

from typing import Any, Final

from syncline_bridge.describe.examples import Examples

_REVISION: Final = 1795722751306000
_TOKEN: Final = "ASU8NT_KuL0n_1u0dY0BdGhJAAZhM0i06RB6U7PhTcvEMvF85xrG63_-"  # noqa: S105  # a position, no secret
_PUSH_ID: Final = "9b2e0f6c-5a41-4a8e-9c35-0d8f3f1f6f0a"
_MILK: Final = {"entity_type": "todo", "entity_id": "milk"}
_BREAD: Final = {"entity_type": "todo", "entity_id": "bread"}
_DATA: Final = {"title": "Buy milk", "done": False}
_STORED: Final = {
    **_MILK,
    "action": "create",
    "data": _DATA,
    "client_timestamp": "2026-11-21T08:00:00.000Z",
    "revision": _REVISION,
}


def _error(code: str, message: str, **details: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **({"details": details} if details else {})}}


def _conflict(**server_data: Any) -> dict[str, Any]:
    lost = {
        **_MILK,
        "resolution": "server_wins",
        "server_data": {**server_data, "last_synced_at": "2026-11-26T19:52:31.306Z"},
        "revision": _REVISION,
    }
    return {"data": {"applied": 0, "conflicts": [lost], "checkpoint_token": _TOKEN, "revisions": [0]}}


_REFUSED: Final = {
    401: {
        "No key": _error("UNAUTHORIZED", "The API key is missing.", cause="missing"),
    },
}

PUSH: Final = Examples(
    requests={
        "A first change": {
            "changes": [{**_MILK, "action": "create", "data": _DATA, "client_timestamp": "2026-11-21T08:00:00.000Z"}],
            "checkpoint_token": "",
            "push_id": _PUSH_ID,
        },
        "A change of what was read, which loses if it was changed since": {
            "changes": [
                {
                    **_MILK,
                    "action": "update",
                    "data": {"done": True},
                    "client_timestamp": "2026-11-21T08:05:00.000Z",
                    "base_revision": _REVISION,
                }
            ],
            "checkpoint_token": _TOKEN,
        },
        "Two changes, both or none": {
            "changes": [
                {
                    **_BREAD,
                    "action": "create",
                    "data": {"title": "Buy bread"},
                    "client_timestamp": "2026-11-21T08:06:00.000Z",
                },
                {**_MILK, "action": "delete", "client_timestamp": "2026-11-21T08:06:00.001Z"},
            ]
        },
    },
    answers={
        200: {
            "Applied": {
                "data": {"applied": 1, "conflicts": [], "checkpoint_token": _TOKEN, "revisions": [_REVISION]},
            },
            "A conflict: the server's version has won": _conflict(**_DATA),
            "A conflict with a deletion": _conflict(deleted=True),
        },
        400: {
            "A malformed change": _error(
                "INVALID_INPUT",
                "changes[0].entity_type: must be a letter or _, then letters, digits, _ . -; at most 64 characters",
                field="entity_type",
                index=0,
            )
        },
        **_REFUSED,
    },
)

PULL: Final = Examples(
    answers={
        200: {
            "A page": {"data": {"changes": [_STORED], "checkpoint_token": _TOKEN, "has_more": False}},
            "Nothing new": {"data": {"changes": [], "checkpoint_token": _TOKEN, "has_more": False}},
            "A reset: forget what was read, and take this and what follows": {
                "data": {"changes": [_STORED], "checkpoint_token": _TOKEN, "has_more": True, "reset": True}
            },
        },
        400: {
            "A token of elsewhere": _error(
                "INVALID_INPUT", "checkpoint_token: not a token of this server for this user and project"
            )
        },
        **_REFUSED,
    }
)

STREAM: Final = Examples(
    answers={
        200: {
            "What there was, then a change, then a heartbeat": (
                "retry: 1000\n"
                f"id: {_TOKEN}\n"
                'data: {"changes":[{"entity_type":"todo","entity_id":"milk","action":"create",'
                '"data":{"title":"Buy milk","done":false},"client_timestamp":"2026-11-21T08:00:00.000Z",'
                f'"revision":{_REVISION}}}],"checkpoint_token":"{_TOKEN}","caught_up":true}}\n\n'
                f"id: {_TOKEN}\n"
                'data: {"changes":[{"entity_type":"todo","entity_id":"milk","action":"update",'
                '"data":{"title":"Buy milk","done":true},"client_timestamp":"2026-11-21T08:05:00.000Z",'
                f'"revision":{_REVISION + 1000}}}],"checkpoint_token":"{_TOKEN}"}}\n\n'
                f"id: {_TOKEN}\n"
                f'data: {{"changes":[],"checkpoint_token":"{_TOKEN}"}}\n\n'
            ),
            "A ticket that is used up: fetch another one": (
                "retry: 1000\n\n"
                "event: closed\n"
                'data: {"error":{"code":"UNAUTHORIZED","message":"Not a valid ticket.",'
                '"details":{"cause":"ticket"}}}\n\n'
            ),
        }
    }
)

GET: Final = Examples(
    requests={"Two entities": {"entities": [_MILK, _BREAD]}},
    answers={
        200: {"The one of them that ever was": {"data": {"entities": [_STORED], "unread": 0}}},
        **_REFUSED,
    },
)

GET_ONE: Final = Examples(
    answers={
        200: {
            "An entity": {"data": _STORED},
            "A deleted one": {"data": {**_STORED, "action": "delete", "data": {}}},
        },
        404: {"None of this id": _error("NOT_FOUND", "There is no such entity.")},
        **_REFUSED,
    }
)

TICKET: Final = Examples(
    answers={
        200: {"A ticket": {"data": {"ticket": "eyJhbGciOiJIUzI1NiIs…", "expires_at": "2026-11-26T19:53:31.000Z"}}},
        **_REFUSED,
    }
)
