"""What is shown of each operation of this dialect; tests make the same calls and compare the form of the answers."""

from typing import Any, Final

from syncline_bridge.describe.examples import Examples

_HEAD: Final = 1795722753505
_ID: Final = "ef58d0a0-dff1-530d-9ab9-9981fbc2f257"
_AYAH: Final = {"type": "ayah", "key": 2, "verseNumber": 255}
_CREATED: Final = {
    "type": "CREATE",
    "resource": "BOOKMARK",
    "resourceId": _ID,
    "data": _AYAH,
    "timestamp": _HEAD,
}
_BEHIND: Final = "Invalid lastMutationAt, please re-sync your data and try again."
_UNKNOWN: Final = 'Invalid resource: "BOOKMARKS" at mutation[0]'


def _page(*mutations: Any, **more: Any) -> dict[str, Any]:
    page = {"page": 1, "limit": 100, "total": len(mutations), "hasMore": False, **more}
    return {"success": True, "data": {"lastMutationAt": _HEAD, "mutations": list(mutations), **page}}


def _error(kind: str, code: str, message: str, **details: Any) -> dict[str, Any]:
    error = {"code": code, "message": message}
    return {
        "success": False,
        "message": message,
        "type": kind,
        "error": error,
        "details": {"success": False, "error": error, **details},
    }


_REFUSED: Final = {
    400: {"No key": _error("invalid_request", "invalid_request", "Missing x-client-id")},
}

PULL: Final = Examples(
    answers={
        200: {
            "Everything, on one page": _page(_CREATED),
            "A page with more behind it": _page(_CREATED, limit=1, total=3, hasMore=True, nextCursor="eyJhZnRlciI6…"),
            "Nothing new": _page(),
            "The head alone (`metadataOnly=true`)": {"success": True, "data": {"lastMutationAt": _HEAD}},
        },
        **_REFUSED,
    }
)

PUSH: Final = Examples(
    requests={
        "Create a bookmark": {"mutations": [{"type": "CREATE", "resource": "BOOKMARK", "data": _AYAH}]},
        "Change one and delete another, both or none": {
            "mutations": [
                {"type": "UPDATE", "resource": "BOOKMARK", "resourceId": _ID, "data": {"verseNumber": 256}},
                {"type": "DELETE", "resource": "BOOKMARK", "resourceId": "6f0f1c1e-7f7c-4c55-8a8c-0f4b8b6f2d11"},
            ]
        },
    },
    answers={
        200: {"Applied": _page(_CREATED)},
        409: {
            "The user has changed something elsewhere: pull, then try again": _error(
                "conflict", "OutOfSyncError", _BEHIND, headMs=_HEAD
            )
        },
        422: {
            "A resource that is not known": _error(
                "unprocessable_entity", "ValidationError", _UNKNOWN, index=0, field="resource"
            )
        },
        **_REFUSED,
    },
)
