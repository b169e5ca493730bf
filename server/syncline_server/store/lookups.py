"""The statements of a push that look things up, in the SQL of either database."""

from syncline_server.store.dialect import SqlDialect
from syncline_server.store.statements import PUSH_COLUMNS, VERSION_COLUMNS
from syncline_server.sync.store import REMEMBERED_PUSHES

_WITH_SMALL_DATA = VERSION_COLUMNS.replace(" data,", " CASE WHEN size_bytes <= $3 THEN data END,")


def positions(dialect: SqlDialect) -> str:
    """Return the statement of what sessions have shown."""
    return f"""
        SELECT session_key, entity_type, revision FROM session_positions
        WHERE {dialect.among("session_key", "$2")} AND project_id = $1"""


def versions(dialect: SqlDialect) -> str:
    """Return the statement of the stored versions of entities."""
    return f"SELECT {_WITH_SMALL_DATA} FROM entities WHERE {dialect.among('entity_key', '$2')} AND project_id = $1"


def heads(dialect: SqlDialect) -> str:
    """Return the statement of how far the logs of projects are."""
    head = dialect.head_of("heads.project_id")
    return f"SELECT project_id, {head}, epoch_id, {dialect.place} AS place FROM {dialect.heads}"


def large_data(dialect: SqlDialect) -> str:
    """Return the statement of the data of entities."""
    return f"SELECT entity_key, data FROM entities WHERE {dialect.among('entity_key', '$2')} AND project_id = $1"


def remembered(dialect: SqlDialect) -> str:
    """Return the statement of the pushes that are remembered: with a key asked for, and few newer ones.

    The sum keeps PostgreSQL from the index of all expiries, which it takes for as good where there is one user.
    """
    return f"""
        SELECT {PUSH_COLUMNS} FROM push_ids WHERE {dialect.among("push_key", "$2")} AND project_id = $1
            AND (SELECT count(*) FROM (SELECT 1 FROM push_ids AS newer
                WHERE newer.project_id = $1 AND newer.user_id = push_ids.user_id AND newer.device = push_ids.device
                    AND newer.expires_at_us + 0 > push_ids.expires_at_us
                LIMIT {REMEMBERED_PUSHES}) AS counted) < {REMEMBERED_PUSHES}"""
