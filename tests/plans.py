"""Reads query plans, of the server's own statements on connections of its own making."""

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from syncline_server.store.postgresql.sql import POSTGRESQL
from syncline_server.store.sqlite.sql import SQLITE
from syncline_server.store.statements import CircleShape, PageShape

WAYS = (False, True)
"""To read a page at once, or by size."""
OF_SEVERAL = "of several"
"""Statements of several projects."""
SQLITE_STATES = ("fresh", "grown", "analysed")
OF_ONE_USER = {"small": 20, "alone": 5_000}
"""States in which all rows are of one user, and analysed, so that a user seems to be no help in finding any."""
POSTGRESQL_STATES = ("fresh", *OF_ONE_USER, "grown", "analysed")
"""What has grown is not analysed at first. The plans are kept, through all of them."""


@dataclass(frozen=True)
class Plan:
    """What a statement goes through to get at its rows."""

    indexes: frozenset[str]
    """All indexes it looks into."""
    conditions: tuple[str, ...]
    """What each of them is asked."""
    others: tuple[str, ...]
    """Scans of whole tables, and sorts."""
    relations: frozenset[str] = frozenset()
    """All tables that it reads or writes, on PostgreSQL."""


@dataclass(frozen=True)
class Statement:
    """A hot statement with parameters, and the indexes it is meant to go through."""

    name: str
    sql: str
    parameters: tuple[Any, ...]
    writes: bool
    indexes: frozenset[str]
    sorts: bool = False
    """It sorts what is of one device."""


def hot_statements(*, is_sqlite: bool, project: int, keys: Sequence[str]) -> Iterator[Statement]:
    """Yield every statement of the stores."""
    sql = SQLITE if is_sqlite else POSTGRESQL
    many = [json.dumps(list(keys))] if is_sqlite else [list(keys)]
    queries = [[project, 1], ["user1", "user2"], ["device:phone", ""], [0, 5]]
    asked = {
        of_one: [json.dumps([list(row) for row in zip(*queries[of_one:], strict=True)])]
        if is_sqlite
        else queries[of_one:]
        for of_one in WAYS
    }
    devices = [["user1", "user2"], ["device:phone", ""]]
    swept = [json.dumps([list(row) for row in zip(*devices, strict=True)])] if is_sqlite else devices
    primary = {
        "entities": "pk_entities",
        "heads": "pk_heads",
        "positions": "pk_session_positions",
        "pushes": "pk_push_ids",
        "notes": "pk_notes",
    }
    if is_sqlite:
        primary = {
            "entities": "sqlite_autoindex_entities_1",
            "heads": "INTEGER PRIMARY KEY",
            "positions": "sqlite_autoindex_session_positions_1",
            "pushes": "sqlite_autoindex_push_ids_1",
            "notes": "sqlite_autoindex_notes_1",
        }

    of_project = ["ix_entities_project_revision"]

    def statement(name: str, text: str, parameters: Sequence[Any], *indexes: str, writes: bool = True) -> Statement:
        return Statement(name, text, tuple(parameters), writes, frozenset(indexes))

    projects = [json.dumps([project, 1, 2])] if is_sqlite else [[project, 1, 2]]
    yield statement("lock_head", sql.lock_head, [project], primary["heads"])
    for wait in WAYS:
        waiting = "wait" if wait else "skip"
        yield statement(f"lock_heads {OF_SEVERAL} {waiting}", sql.lock_heads(wait), projects, primary["heads"])
    if not is_sqlite:  # where nothing is polled
        yield statement("heads", sql.heads, projects, primary["heads"], *of_project, writes=False)
    of_device = "ix_push_ids_device"
    for of_one in (True, False):
        of, whose = ("of one project", [project]) if of_one else (OF_SEVERAL, [])
        found = [project] if of_one else projects
        yield statement(f"locked_heads {of}", sql.locked_heads(of_one), found, primary["heads"], *of_project)
        yield statement(f"news {of}", sql.news(of_one), [*whose, *asked[of_one]], "ix_entities_user_revision")
        yield statement(f"positions {of}", sql.positions(of_one), [*whose, *many], primary["positions"])
        yield statement(f"versions {of}", sql.versions(of_one), [*whose, *many, 100], primary["entities"])
        yield statement(f"notes {of}", sql.notes(of_one), [*whose, *many], primary["notes"])
        yield statement(f"remembered {of}", sql.remembered(of_one), [*whose, *many], primary["pushes"], of_device)
    yield statement("large_data", sql.large_data, [project, *many], primary["entities"])
    by_key = "INTEGER PRIMARY KEY" if is_sqlite else primary["pushes"]
    forget = statement("forget", sql.forget, [project, 5, *swept], by_key, of_device)
    yield replace(forget, sorts=not is_sqlite)
    version = ["key", "user1", "todo", "e", False, "{}", 2, 10**15, 10**15, 10**12, 5, "", False, b"d", b"o"]
    position = ["session", "todo", 5, "user1", True, 5]
    note = ["key", "user1", "n", 1, 5, b"v"]
    push = ["key", "user1", "device:phone", "push id", b"d", b"o", 5]
    if not is_sqlite:  # SQLite has no plan for what takes a row of values; its conflict target is the key itself.
        yield statement("write", sql.write, [[project], *[[one] for one in version]], primary["entities"])
        yield statement(
            "save_positions", sql.save_positions, [[project], *[[one] for one in position]], primary["positions"]
        )
        yield statement("write_notes", sql.write_notes, [[project], *[[one] for one in note]], primary["notes"])
        yield statement("remember", sql.remember, [[project], *[[one] for one in push]], primary["pushes"])
    for by_size in WAYS:
        used = {"ix_entities_project_revision", primary["heads"]}
        parameters = [project, 5, 101, 10**6]
        yield statement(f"recent {spelled_way(by_size)}", sql.recent(by_size), parameters, *used, writes=False)
    for by_size, with_notes in itertools.product(WAYS, WAYS):
        used = {primary["entities"], "ix_entities_user_revision", primary["heads"]}
        used |= {primary["notes"]} if with_notes else set()
        parameters = [project, "user1", *many, b"d", b"c", b"u", 10**6, *(many if with_notes else [])]
        name = f"entities{' and notes' if with_notes else ''} {spelled_way(by_size)}"
        yield statement(name, sql.entities(by_size, with_notes), parameters, *used, writes=False)
    for shape, by_size in itertools.product(all_shapes(), WAYS):
        used = {"ix_entities_project_revision", primary["heads"]}
        used |= {"ix_entities_user_revision"} if shape.of_user else set()
        used |= {primary["positions"]} if shape.with_shown else set()
        types = json.dumps(["todo"]) if is_sqlite else ["todo"]
        parameters = [
            project,
            "user1" if shape.of_user else None,
            "session",
            5,
            types,
            101,
            0,
            b"d",
            b"c",
            b"u",
            10**6,
            5,
        ]
        name = f"page {spelled(shape)} {spelled_way(by_size)}"
        yield statement(name, sql.page(shape, by_size), parameters, *used, writes=False)
    for of_circle in circle_shapes():
        used = {"ix_entities_user_revision", "ix_entities_project_revision", primary["heads"]}
        used |= {primary["positions"]} if of_circle.with_shown else set()
        types = json.dumps(["todo"]) if is_sqlite else ["todo"]
        parameters = [project, "user1", "session", 5, types, 101, 0, b"d", b"c", b"u", 10**6, 2, 4, 2]
        asked = "+".join(
            name for name in ("of_types", "with_total", "with_shown", "begins") if getattr(of_circle, name)
        )
        yield statement(f"page of a circle {asked}", sql.circle(of_circle), parameters, *used, writes=False)


def circle_shapes() -> Iterator[CircleShape]:
    """Yield the shapes of circles, which are of one user."""
    for of_types, with_total, with_shown, begins in itertools.product((False, True), repeat=4):
        yield CircleShape(of_types, with_total, with_shown, begins)


def all_shapes() -> Iterator[PageShape]:
    """Yield the shapes that are asked for: of all users only streams read, which have no totals and show nothing."""
    for of_types in (False, True):
        yield PageShape(of_user=False, of_types=of_types, with_total=False, with_shown=False)
        for with_total in (False, True):
            for with_shown in (False, True):
                yield PageShape(True, of_types, with_total, with_shown)


def spelled(shape: PageShape) -> str:
    asked = {"user": shape.of_user, "types": shape.of_types, "total": shape.with_total, "shown": shape.with_shown}
    return "+".join(name for name, is_asked in asked.items() if is_asked) or "all"


def spelled_way(by_size: bool) -> str:
    return "by size" if by_size else "at once"


async def sqlite_plan(engine: AsyncEngine, statement: Statement) -> Plan:
    """Explain a statement on a connection of the server's."""
    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        rows = await driver.execute_fetchall(f"EXPLAIN QUERY PLAN {statement.sql}", statement.parameters)
    steps = [row[3] for row in rows]
    searches = [step for step in steps if step.startswith("SEARCH") and step != "SEARCH sums"]
    of_page = ("SCAN page", "SCAN joined", "SCAN sizes", "SCAN sums", "SCAN project")
    of_circle = ("SCAN news", "SCAN newest", "SCAN first", "SCAN rest", "SCAN found")
    of_sums = ("SCAN sizes", *(f"{scan}_of" for scan in of_circle))
    of_values = (
        "SCAN json_each",
        "SCAN asked",
        "SCAN query",
        "SCAN counted",
        "SCAN swept",
        "SCAN CONSTANT ROW",
        "SCAN (subquery",
        *of_page,
        *of_circle,
    )
    scans = [step for step in steps if step.startswith("SCAN") and not step.startswith(of_values)]
    # Of what is known to be few: the sizes of a page's rows, or of the keys that were asked for.
    few = [at for at, step in enumerate(steps) if step in of_sums or "SCAN json_each" in steps[at - 1]]
    sorts = [step for at, step in enumerate(steps) if "FOR ORDER BY" in step and at - 1 not in few]
    used = [step.split(" USING ")[1].replace("COVERING ", "").removeprefix("INDEX ") for step in searches]
    indexes = frozenset(one.partition(" (")[0] for one in used)
    return Plan(indexes, tuple(searches), (*scans, *sorts))


_PARTS_OF_INDEXES = """
    SELECT part.relname, whole.relname FROM pg_inherits
    JOIN pg_class AS part ON part.oid = inhrelid JOIN pg_class AS whole ON whole.oid = inhparent
    WHERE whole.relkind = 'I'"""


async def prepare(connection: AsyncConnection, number: int, statement: Statement) -> None:
    """Prepare a statement on PostgreSQL and use it, often enough for a generic plan where one is allowed."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.execute(f"PREPARE s{number} AS {statement.sql}")
    for _ in range(7):
        transaction = driver.transaction()
        await transaction.start()
        await driver.execute(_execute(number, statement))
        await transaction.rollback()


async def postgresql_plan(connection: AsyncConnection, number: int, statement: Statement) -> Plan:
    """Explain a prepared statement."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    (explained,) = await driver.fetchval(f"EXPLAIN (FORMAT JSON) {_execute(number, statement)}")
    nodes = list(_nodes(explained["Plan"]))
    # On partitioned tables, the index that this one is a part of.
    wholes = dict(await driver.fetch(_PARTS_OF_INDEXES))
    indexes = {wholes.get(node["Index Name"], node["Index Name"]) for node in nodes if "Index Name" in node}
    indexes |= {name for node in nodes for name in node.get("Conflict Arbiter Indexes", ())}
    bad = ("Seq Scan", "Sort", "Incremental Sort", "Bitmap Heap Scan", "Hash Join", "Gather")
    # The keys that were asked for, by their places, are few.
    others = [node["Node Type"] for node in nodes if node["Node Type"] in bad and not _sorts_places(node)]
    conditions = [f"{node['Index Name']} {node.get('Index Cond', '')}" for node in nodes if "Index Name" in node]
    relations = frozenset(node["Relation Name"] for node in nodes if "Relation Name" in node)
    return Plan(frozenset(indexes), tuple(conditions), tuple(others), relations)


def _sorts_places(node: dict[str, Any]) -> bool:
    return all("array_position" in key for key in node.get("Sort Key", ("-",)))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _execute(number: int, statement: Statement) -> str:
    return f"EXECUTE s{number} ({', '.join(map(_literal, statement.parameters))})"


def _literal(value: Any) -> str:
    """Spell a parameter; its type is that of the prepared statement."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return "'{" + ",".join('"' + _text(one).replace("\\", "\\\\") + '"' for one in value) + "}'"
    return f"'{_text(value)}'"


def _text(value: Any) -> str:
    return "\\x" + value.hex() if isinstance(value, bytes) else str(value)
