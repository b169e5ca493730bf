"""Values of the rules, built short for tables: an edit, a push, what is stored, and what becomes of it."""

from collections.abc import Iterable
from typing import Any

from syncline_server.sync.changes import Action, Change, Push, Version
from syncline_server.sync.keys import entity_key
from syncline_server.sync.resolve import PushLimits, Resolution, resolve
from syncline_server.sync.revision import RevisionAllocator

PROJECT = 1
PHONE, LAPTOP = "device:phone", "device:laptop"
NOW_MS = 1_000_000
AT = -1
"""The client timestamp of a version that was made when it was committed."""


def edit(
    action: str,
    entity_id: str = "e1",
    data: str = "{}",
    *,
    at_ms: int | None = None,
    base: int | None = None,
    entity_type: str = "todo",
    user: str = "ada",
) -> Change:
    """Build a change; `at_ms` is its client timestamp."""
    return Change(
        key=entity_key(PROJECT, user, entity_type, entity_id),
        entity_type=entity_type,
        entity_id=entity_id,
        action=Action[action.upper()],
        data=data,
        client_timestamp_us=None if at_ms is None else at_ms * 1000,
        base_revision=base,
    )


def push_of(
    *changes: Change, user: str = "ada", session: str = PHONE, device_known: bool = True, **fields: Any
) -> Push:
    return Push(PROJECT, user, session, device_known, changes, **fields)


def stored(
    entity_id: str = "e1",
    data: str | None = "{}",
    *,
    at_ms: int = NOW_MS - 1000,
    client_ms: int | None = AT,
    created_ms: int | None = None,
    session: str = LAPTOP,
    deleted: bool = False,
    merged_unseen: bool = False,
    made_by: Change | None = None,
    size_bytes: int | None = None,
    entity_type: str = "todo",
    user: str = "ada",
) -> Version:
    """Build a stored version, committed at `at_ms`, and made at `client_ms` (None: nobody said when)."""
    sent_ms = at_ms if client_ms == AT else client_ms
    return Version(
        key=entity_key(PROJECT, user, entity_type, entity_id),
        user_id=user,
        entity_type=entity_type,
        entity_id=entity_id,
        deleted=deleted,
        data=data,
        size_bytes=len((data or "").encode()) if size_bytes is None else size_bytes,
        revision=at_ms * 1000,
        created_revision=(at_ms if created_ms is None else created_ms) * 1000,
        committed_ms=at_ms,
        client_timestamp_us=None if sent_ms is None else sent_ms * 1000,
        session=session,
        merged_unseen=merged_unseen,
        digest=push_of(made_by).digests()[made_by.key] if made_by else b"another change's",
    )


def decide(
    push: Push, *before: Version, shown: int = 0, now_ms: int = NOW_MS, limits: PushLimits | None = None
) -> Resolution:
    """Decide a push at a time, against what is stored."""
    revisions = RevisionAllocator(max((version.revision for version in before), default=0), now_ms * 1000)
    return resolve(push, {version.key: version for version in before}, shown, revisions, limits or PushLimits())


def spelled(resolution: Resolution) -> str:
    """Spell the outcomes: a(pplied), r(eplayed), c(onflict)."""
    return "".join("r" if one.replayed else "a" if one.applied else "c" for one in resolution.results)


def single(versions: Iterable[Version]) -> Version:
    (version,) = versions
    return version
