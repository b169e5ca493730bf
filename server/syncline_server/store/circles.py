"""What the statement of a circle is asked, and what its rows become."""

import json
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from typing import Any

from syncline_server.store.statements import CircleShape
from syncline_server.sync.history import History
from syncline_server.sync.store import CircleQuery, StoredCircle, StoredRow

_PARTS = 4


def asked(
    query: CircleQuery, many: Callable[[Collection[str]], Any], closings: tuple[bytes, ...]
) -> tuple[CircleShape, tuple[Any, ...]]:
    """Return the shape of the statement, and its parameters."""
    page = query.page
    shape = CircleShape(
        of_types=bool(page.entity_types),
        with_total=page.include_total,
        with_shown=page.session_key != "",
        begins=query.begins,
    )
    of_page = (page.project_id, page.user_id, page.session_key, page.after_revision, many(page.entity_types))
    ranges = (page.max_bytes, query.after, query.end, query.rest)
    return shape, (*of_page, page.limit, page.skip, *closings, *ranges)


def found(rows: Sequence[Sequence[Any]], history: History) -> StoredCircle:
    """Return what was read; every row begins alike, one is there at least."""
    _, project_head, user_head, total, shown, *_ = rows[0]
    parts: list[list[StoredRow]] = [[] for _ in range(_PARTS)]
    for *_, part, revision, laid_out, _ in rows:
        if part is not None:
            parts[part].append(StoredRow(revision, laid_out))
    news, newest, first, rest = (sorted(part, key=itemgetter(0)) for part in parts)
    return StoredCircle(
        news=news,
        newest=newest[::-1],
        circle=[*first, *rest],
        project_head=project_head,
        user_head=user_head,
        total=total,
        shown=json.loads(shown) if shown else {},
        history=history,
    )
