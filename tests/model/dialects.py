"""The model's answers in the words of the two dialects, and calls to both through the bridge."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from model.answers import as_pushed, claim_in, wanted_claim
from model.calls import Change, Entity, Page, Refused, Result, Version
from model.world import TICK_US, Principal, World

CHECKPOINT_PATH = "/v1/client/sync"
ENTITIES_PATH = "/v1/client/entities"
MUTATION_PATH = "/v1/sync"
PAGE_SIZE = 100
RESOURCES = ("BOOKMARK", "COLLECTION", "COLLECTION_BOOKMARK", "NOTE", "READING_SESSION")
_STATUS = {"CHECKPOINT_INVALID": 400, "CHANGE_INVALID": 400, "HEAD_MISMATCH": 409, "ENTITY_NOT_FOUND": 404}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def checkpoint_push(
    world: World, caller: Principal, changes: Sequence[Change], *, token: str | None = None, push_id: str = ""
) -> Any:
    """Push in checkpoint sync, to both; returns the answer's data, or Refused."""
    world.move_clock(TICK_US)
    members: dict[str, Any] = {"changes": [_checkpoint_change(change) for change in changes]}
    body = {**members, **({} if token is None else {"checkpoint_token": token}), "push_id": push_id or None}
    answer = world.served.http.post(CHECKPOINT_PATH, json=body, headers=caller.credentials)
    push = world.push_of(caller, changes, **world.shown(token), push_id=push_id)
    expected = world.expected(caller, push)
    if isinstance(expected, Refused):
        assert answer.status_code == _STATUS[expected.reason], answer.text
        world.check_canaries(caller, answer.text)
        return expected
    assert answer.status_code == 200, answer.text
    told = json.loads(answer.text)["data"]
    conflicts = [
        _conflict(change, one)
        for change, one in zip(changes, expected.results, strict=True)
        if one.outcome == "conflict"
    ]
    assert told == {
        "applied": len(changes) - len(conflicts),
        "conflicts": conflicts,
        "checkpoint_token": told["checkpoint_token"],
        "revisions": [_applied_revision(one) for one in expected.results],
    }
    world.learn_push(caller, answer.text, told["checkpoint_token"], expected)
    return told


def checkpoint_pull(world: World, caller: Principal, kind: str, *, token: str = "") -> Any:
    """Pull a type in checkpoint sync, from both; returns the answer's data, or Refused."""
    world.move_clock(TICK_US)
    query = {"entity_type": kind, **({"checkpoint_token": token} if token else {})}
    answer = world.served.http.get(CHECKPOINT_PATH, params=query, headers=caller.credentials)
    world.check_canaries(caller, answer.text)
    told = json.loads(answer.text).get("data", {})
    expected = world.expected_page(
        caller,
        [kind],
        token=token,
        size=PAGE_SIZE,
        reset_when_expired=True,
        agrees=lambda page: _is_page(told, page),
    )
    if isinstance(expected, Refused):
        assert answer.status_code == _STATUS[expected.reason], answer.text
        return expected
    assert answer.status_code == 200, answer.text
    assert told == _page(told, expected)
    world.learn(caller, told["checkpoint_token"], expected.claim)
    return told


def checkpoint_get(world: World, caller: Principal, entities: Sequence[Entity]) -> None:
    """Get entities by their ids in checkpoint sync, from both: all at once, and the first by its own path."""
    body = {"entities": [{"entity_type": kind, "entity_id": name} for kind, name in entities]}
    answer = world.served.http.post(ENTITIES_PATH, json=body, headers=caller.credentials)
    known = [_pulled(as_pushed(one), one) for one in world.model_of(caller).get(caller.user, entities)]
    assert json.loads(answer.text) == {"data": {"entities": known, "unread": 0}}
    world.check_canaries(caller, answer.text)
    kind, name = entities[0]
    one = world.served.http.get(f"{ENTITIES_PATH}/{kind}/{name}", headers=caller.credentials)
    found = [told for told in known if (told["entity_type"], told["entity_id"]) == (kind, name)]
    assert (json.loads(one.text).get("data"), one.status_code) == ((found[0], 200) if found else (None, 404))


def _is_page(told: dict[str, Any], page: Page) -> bool:
    return told == _page(told, page) and claim_in(told["checkpoint_token"]) == wanted_claim(page.claim)


def _page(told: dict[str, Any], page: Page) -> dict[str, Any]:
    return {
        "changes": [_pulled(action, version) for action, version in page.versions],
        "checkpoint_token": told.get("checkpoint_token"),
        "has_more": page.has_more,
        **({"reset": True} if page.reset else {}),
    }


def mutation_push(
    world: World, caller: Principal, mutations: Sequence[dict[str, Any]], head: int, key: str = ""
) -> Any:
    """Post mutations against a head, to both; returns the answer's data, or Refused."""
    world.move_clock(TICK_US)
    answer = world.served.http.post(
        MUTATION_PATH,
        params={"lastMutationAt": str(head)},
        json={"mutations": mutations},
        headers={**_mutation_headers(caller), "idempotency-key": key},
    )
    world.check_canaries(caller, answer.text)
    body = json.loads(answer.text)
    made = [one["resourceId"] for one in body["data"]["mutations"]] if answer.status_code == 200 else []
    changes = [_mutated(one, made[at] if made else "") for at, one in enumerate(mutations)]
    push = world.push_of(caller, changes, expected_head_ms=max(head, 0), require_existing=True, push_id=key)
    expected = world.expected(caller, replace(push, sent=tuple(_mutated(one, "") for one in mutations)))
    if isinstance(expected, Refused):
        assert answer.status_code == _STATUS[expected.reason], answer.text
        place = expected.facts.get("index")
        assert place is None or body["message"] == f"Resource not found at mutation[{place}]"
        return expected
    assert answer.status_code == 200, answer.text
    told = body["data"]
    assert told == {
        "lastMutationAt": expected.head_ms or -1,
        "mutations": [_pushed(change, one.version) for change, one in zip(changes, expected.results, strict=True)],
        "page": 1,
        "limit": told["limit"],
        "total": len(mutations),
        "hasMore": False,
    }
    assert answer.headers["x-mutation-at"] == str(told["lastMutationAt"])
    world.remember(caller, expected)
    return told


def mutation_pull(
    world: World, caller: Principal, since: int, *, cursor: str = "", number: int = 0, limit: int = 100
) -> Any:
    """Get the mutations since a head, from both: the page of a number, or after a cursor; returns the answer's data."""
    world.move_clock(TICK_US)
    page = {"page": str(number)} if number else {"cursor": cursor}
    query = {"mutationsSince": str(since), "limit": str(limit), **page, "resources": ",".join(RESOURCES)}
    answer = world.served.http.get(MUTATION_PATH, params=query, headers=_mutation_headers(caller))
    world.check_canaries(caller, answer.text)
    threshold = since * 1000 + 999 if since > 0 else 0
    token = cursor.rpartition(".")[2]
    position = {"token": token} if token else {"after": threshold, "number": number}
    expected = world.expected_page(caller, RESOURCES, size=limit, with_total=True, reset_when_expired=True, **position)
    assert isinstance(expected, Page)
    assert not expected.reset or not token
    assert answer.status_code == 200, answer.text
    told = json.loads(answer.text)["data"]
    threshold = 0 if expected.reset else threshold
    versions = [version for _, version in expected.versions]
    total = expected.total
    if cursor:
        number, seen, counted = (int(part) for part in cursor.split(".")[1:4])
        total = max(counted, seen + len(versions) + 1) if expected.has_more else seen + len(versions)
    assert told == {
        "lastMutationAt": expected.head_ms or -1,
        "mutations": [_mutation(_kind(version, threshold), version) for version in versions],
        "page": number or 1,
        "limit": limit,
        "total": total,
        "hasMore": expected.has_more,
        **({"nextCursor": told.get("nextCursor")} if expected.has_more else {}),
    }
    if expected.has_more:
        world.learn(caller, told["nextCursor"].rpartition(".")[2], expected.claim)
    return told


def _mutation_headers(caller: Principal) -> dict[str, str]:
    token = caller.credentials["authorization"].removeprefix("Bearer ")
    return {"x-client-id": caller.credentials["x-api-key"], "x-auth-token": token}


def _mutated(mutation: dict[str, Any], made_id: str) -> Change:
    entity = (mutation["resource"], mutation.get("resourceId") or made_id)
    data = json.dumps(mutation["data"], separators=(",", ":")) if mutation["type"] != "DELETE" else "{}"
    return Change(entity, mutation["type"].lower(), data)


def _pushed(change: Change, version: Version | None) -> dict[str, Any]:
    told = _mutation(change.action, version)
    # To a retry a version of today is shown, but what was put is known by the request.
    return {**told, "data": json.loads(change.data)} if change.action == "create" else told


def _mutation(action: str, version: Version | None) -> dict[str, Any]:
    assert version is not None
    return {
        "type": action.upper(),
        "resource": version.entity[0],
        "resourceId": version.entity[1],
        "data": {} if version.deleted else version.data,
        "timestamp": version.revision // 1000,
    }


def _kind(version: Version, threshold: int) -> str:
    return "delete" if version.deleted else "create" if version.created > threshold else "update"


def _checkpoint_change(change: Change) -> dict[str, Any]:
    assert change.at_us is not None
    told = {
        "entity_type": change.entity[0],
        "entity_id": change.entity[1],
        "action": change.action,
        "client_timestamp": _text(change.at_us),
        "base_revision": change.base,
    }
    return told if change.action == "delete" else {**told, "data": json.loads(change.data)}


def _applied_revision(result: Result) -> int:
    return result.version.revision if result.outcome != "conflict" and result.version else 0


def _conflict(change: Change, result: Result) -> dict[str, Any]:
    version = result.version
    revision = version.revision if version else 0
    data = {} if version is None else version.data
    gone = version is None or version.deleted
    return {
        "entity_type": change.entity[0],
        "entity_id": change.entity[1],
        "resolution": "server_wins",
        "server_data": {
            **data,
            "last_synced_at": _text(revision // 1000 * 1000),
            **({"deleted": True} if gone else {}),
        },
        "revision": revision,
    }


def _pulled(action: str, version: Version) -> dict[str, Any]:
    return {
        "entity_type": version.entity[0],
        "entity_id": version.entity[1],
        "action": action,
        "data": {} if version.deleted else version.data,
        "client_timestamp": _text(version.at_us),
        "revision": version.revision,
    }


def _text(us: int) -> str:
    moment = (_EPOCH + timedelta(microseconds=us)).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds" if us % 1000 else "milliseconds") + "Z"
