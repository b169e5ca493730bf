"""The statements that read: a page, or one of a circle, and what is new in a project, in the SQL of either database."""

from syncline_server.store.dialect import SqlDialect
from syncline_server.store.statements import CircleShape, PageShape


def page(dialect: SqlDialect, shape: PageShape, by_size: bool) -> str:
    """Return the statement of a page; L5 makes it one."""
    scope, page_filter = "project_id = $1", ""
    user_head, total, shown, more = "0", "0", "NULL", "NULL"
    if shape.of_user:
        scope += " AND user_id = $2"
        user_head = f"coalesce((SELECT max(revision) FROM entities WHERE {scope}), 0)"
    if shape.of_types:
        page_filter = f" AND {dialect.among('entity_type', '$5')}"
    found = f"{scope} AND revision > $12{page_filter}"
    if shape.with_total:
        total = f"(SELECT count(*) FROM entities WHERE {scope} AND revision > $4{page_filter})"
    if shape.with_shown:
        shown = f"(SELECT {dialect.shown} FROM session_positions WHERE session_key = $3 AND project_id = $1)"
    if shape.of_types or not shape.of_user:
        more = f"""(SELECT revision FROM entities WHERE {scope}{page_filter} AND revision > last
            ORDER BY revision LIMIT 1) IS NOT NULL"""
    deleted, new, changed = (f"CAST({closing} AS {dialect.of_bytes})" for closing in ("$8", "$9", "$10"))
    closing = f"CASE WHEN deleted THEN {deleted} WHEN created_revision > $4 THEN {new} ELSE {changed} END"
    laid_out = f"opening || {dialect.utf8} || {closing}"
    size = f"size_bytes + length(opening) + length({changed})"
    return f"""
        WITH joined AS (
            SELECT {dialect.joined} AS changes, count(*) AS found, count(*) - count(laid_out) AS left_out,
                max(revision) AS last
            FROM ({_rows(laid_out, "revision", found, ("$6 OFFSET $7", size, "$11"), by_size=by_size)}) AS page
        )
        SELECT epoch_id, head, {user_head}, {total}, {shown}, changes, found, left_out, last, {more},
            {dialect.place} AS place
        FROM joined CROSS JOIN (
            SELECT {dialect.head_of("$1")} AS head, epoch_id
            FROM heads WHERE project_id = $1{dialect.declared} LIMIT 1) AS project"""


def recent(dialect: SqlDialect, by_size: bool) -> str:
    """Return the statement of the recent versions."""
    others = "revision, user_id, entity_type, deleted, created_revision"
    limits = ("$3", "size_bytes + length(opening)", "$4")
    laid_out, found = f"CAST(opening || {dialect.utf8} AS {dialect.of_bytes})", "project_id = $1 AND revision > $2"
    return f"""
        SELECT CAST(NULL AS {dialect.of_bytes}) AS laid_out, {dialect.head_of("$1")} AS revision,
            NULL AS user_id, NULL AS entity_type, false AS deleted, epoch_id AS created_revision
        FROM heads WHERE project_id = $1
        UNION ALL SELECT * FROM ({_rows(laid_out, others, found, limits, by_size=by_size)}) AS page"""


def entities(dialect: SqlDialect, by_size: bool, with_notes: bool) -> str:
    """Return the statement of entities by their keys, and of notes by theirs."""
    deleted, new, changed = (f"CAST({closing} AS {dialect.of_bytes})" for closing in ("$4", "$5", "$6"))
    closing = f"CASE WHEN deleted THEN {deleted} WHEN created_revision = revision THEN {new} ELSE {changed} END"
    laid_out = f"CAST(opening || {dialect.utf8} || {closing} AS {dialect.of_bytes})"
    found, fits = dialect.found, "size_bytes <= $7"
    if by_size:
        size = f"size_bytes + length(opening) + length({changed})"
        found = f"""(
            SELECT *, sum(size) OVER in_order AS bytes, row_number() OVER in_order AS number
            FROM (SELECT {dialect.carried}, {size} AS size FROM {found}) AS sizes
            WINDOW in_order AS (ORDER BY ordinal ROWS UNBOUNDED PRECEDING)
        ) AS sums {dialect.again}"""
        fits = "number = 1 OR bytes <= $7"
    notes = ""
    if with_notes:
        notes = f"""UNION ALL SELECT -2, value, version, note_key, expires_at_us, NULL FROM notes
            WHERE {dialect.among("note_key", "$8")} AND project_id = $1"""
    return f"""
        SELECT -1 AS ordinal, CAST(NULL AS {dialect.of_bytes}) AS laid_out,
            coalesce((SELECT max(revision) FROM entities WHERE project_id = $1 AND user_id = $2), 0) AS head,
            rows_schema, {dialect.place} AS place, {dialect.clock} AS clock
        FROM heads WHERE project_id = $1
        UNION ALL SELECT ordinal, CASE WHEN {fits} THEN {laid_out} END, NULL, NULL, NULL, NULL FROM {found}
        {notes}"""


def circle(dialect: SqlDialect, shape: CircleShape) -> str:
    """Return the statement of what a page of a circle may hold; L5 makes it one."""
    mine = "project_id = $1 AND user_id = $2"
    of_types = f"{mine} AND {dialect.among('entity_type', '$5')}" if shape.of_types else mine
    news, first, rest = "revision > $4", "revision > $12 AND revision <= $13", "revision <= $14"
    many_news, many_first, many_rest = (
        f"(SELECT count(*) FROM entities WHERE {of_types} AND {part})" for part in (news, first, rest)
    )
    limit, skip = "CAST($6 AS BIGINT)", "CAST($7 AS BIGINT)"
    left = f"{limit} + 2 - (SELECT count(*) FROM news)"
    parts = [
        _part(0, "news", f"{of_types} AND {news}", f"{limit} + 1 OFFSET {skip}"),
        _part(2, "first", f"{of_types} AND {first}", f"{left} OFFSET {_past(skip, many_news)}"),
        _part(
            3,
            "rest",
            f"{of_types} AND {rest}",
            f"{left} - (SELECT count(*) FROM first) OFFSET {_past(skip, f'({many_news} + {many_first})')}",
        ),
    ]
    if shape.begins:
        quarter = f"({limit} - (SELECT count(*) FROM news)) / 4"
        parts.append(_part(1, "newest", f"{of_types} AND revision <= $13", quarter, order="DESC"))
    names = [part.partition(" ")[0] for part in parts]
    total = f"{many_news} + {many_first} + {many_rest}" if shape.with_total else "0"
    shown = "NULL"
    if shape.with_shown:
        shown = f"(SELECT {dialect.shown} FROM session_positions WHERE session_key = $3 AND project_id = $1)"
    deleted, new, changed = (f"CAST({closing} AS {dialect.of_bytes})" for closing in ("$8", "$9", "$10"))
    closing = f"CASE WHEN deleted THEN {deleted} WHEN part > 0 OR created_revision > $4 THEN {new} ELSE {changed} END"
    return f"""
        WITH {", ".join(parts)}
        SELECT epoch_id, head, coalesce((SELECT max(revision) FROM entities WHERE {mine}), 0), {total}, {shown},
            part, found.revision,
            CASE WHEN bytes = size OR bytes <= $11 THEN (
                SELECT CAST(opening || {dialect.utf8} || {closing} AS {dialect.of_bytes}) FROM entities AS version
                WHERE {mine} AND version.revision = found.revision) END,
            {dialect.place} AS place
        FROM (
            SELECT {dialect.head_of("$1")} AS head, epoch_id
            FROM heads WHERE project_id = $1{dialect.declared} LIMIT 1) AS project
        LEFT JOIN ({" UNION ALL ".join(f"SELECT * FROM {name}" for name in names)}) AS found ON true"""


def _part(number: int, name: str, found: str, limit: str, order: str = "") -> str:
    """Return a table of revisions, with the bytes of each version and of all up to it."""
    return f"""{name} AS MATERIALIZED (
        SELECT {number} AS part, revision, size,
            sum(size) OVER (ORDER BY revision {order} ROWS UNBOUNDED PRECEDING) AS bytes
        FROM (SELECT revision, size_bytes + length(opening) AS size FROM entities WHERE {found}
            ORDER BY revision {order} LIMIT {limit}) AS {name}_of)"""


def _past(skip: str, earlier: str) -> str:
    """Return how many are left to skip past so many earlier ones, which are counted only then."""
    return f"CASE WHEN {skip} = 0 THEN 0 WHEN {skip} > {earlier} THEN {skip} - {earlier} ELSE 0 END"


def _rows(laid_out: str, others: str, found: str, limits: tuple[str, str, str], *, by_size: bool) -> str:
    """Return what reads versions; `limits` are how many rows, what counts as bytes of a version, and how many bytes."""
    limit, size, most_bytes = limits
    if not by_size:
        laid_out = f"CASE WHEN size_bytes <= {most_bytes} THEN {laid_out} END"
    else:
        found += f""" AND revision <= (
            SELECT max(revision) FROM (
                SELECT revision, sum(size) OVER by_revision AS bytes, row_number() OVER by_revision AS place
                FROM (
                    SELECT revision, {size} AS size FROM entities WHERE {found} ORDER BY revision LIMIT {limit}
                ) AS sizes
                WINDOW by_revision AS (ORDER BY revision ROWS UNBOUNDED PRECEDING)
            ) AS sums
            WHERE place = 1 OR bytes <= {most_bytes})"""
    return f"SELECT {laid_out} AS laid_out, {others} FROM entities WHERE {found} ORDER BY revision LIMIT {limit}"
