"""The statements of a push that look things up, in the SQL of either database."""

from syncline_server.store.dialect import SqlDialect
from syncline_server.store.statements import VERSION_COLUMNS

_WITH_SMALL_DATA = VERSION_COLUMNS.replace(" data,", " CASE WHEN size_bytes <= $3 THEN data END,")


def positions(dialect: SqlDialect) -> str:
    """Return the statement of what sessions have shown."""
    return f"""
        SELECT session_key, entity_type, revision FROM session_positions
        WHERE {dialect.among("session_key", "$2")} AND project_id = $1"""


def versions(dialect: SqlDialect) -> str:
    """Return the statement of the stored versions of entities."""
    return f"SELECT {_WITH_SMALL_DATA} FROM entities WHERE {dialect.among('entity_key', '$2')} AND project_id = $1"


def large_data(dialect: SqlDialect) -> str:
    """Return the statement of the data of entities."""
    return f"SELECT entity_key, data FROM entities WHERE {dialect.among('entity_key', '$2')} AND project_id = $1"
