"""The statements of a push that look things up, in the SQL of either database.

What is looked up by key has two forms: of one project, so that a database whose tables are partitioned by project looks
into one partition; and of several, by the keys alone, which are digests of their project, too. Were the projects a list
beside the keys, PostgreSQL would try each key with each of them.
"""

from syncline_server.store.dialect import SqlDialect
from syncline_server.store.statements import NOTE_COLUMNS, PUSH_COLUMNS, VERSION_COLUMNS
from syncline_server.sync.store import REMEMBERED_PUSHES


def positions(dialect: SqlDialect, of_one: bool) -> str:
    """Return the statement of what sessions have shown."""
    return f"""
        SELECT session_key, entity_type, revision FROM session_positions
        WHERE {_of_keys(dialect, "session_key", of_one)}"""


def versions(dialect: SqlDialect, of_one: bool) -> str:
    """Return the statement of the stored versions of entities."""
    most_bytes = "$3" if of_one else "$2"
    columns = VERSION_COLUMNS.replace(" data,", f" CASE WHEN size_bytes <= {most_bytes} THEN data END,")
    return f"SELECT {columns} FROM entities WHERE {_of_keys(dialect, 'entity_key', of_one)}"


def heads(dialect: SqlDialect) -> str:
    """Return the statement of how far the logs of projects are."""
    head = dialect.head_of("heads.project_id")
    return f"SELECT project_id, {head}, epoch_id, {dialect.place} AS place FROM {dialect.heads}"


def large_data(dialect: SqlDialect) -> str:
    """Return the statement of the data of entities."""
    return f"SELECT entity_key, data FROM entities WHERE {dialect.among('entity_key', '$2')} AND project_id = $1"


def notes(dialect: SqlDialect, of_one: bool) -> str:
    """Return the statement of the notes with keys asked for."""
    return f"SELECT {NOTE_COLUMNS} FROM notes WHERE {_of_keys(dialect, 'note_key', of_one)}"


def remembered(dialect: SqlDialect, of_one: bool) -> str:
    """Return the statement of the pushes that are remembered: with a key asked for, and few newer ones.

    The sum keeps PostgreSQL from the index of all expiries, which it takes for as good where there is one user.
    """
    return f"""
        SELECT {PUSH_COLUMNS} FROM push_ids WHERE {_of_keys(dialect, "push_key", of_one)}
            AND (SELECT count(*) FROM (SELECT 1 FROM push_ids AS newer
                WHERE newer.project_id = {"$1" if of_one else "push_ids.project_id"}
                    AND newer.user_id = push_ids.user_id AND newer.device = push_ids.device
                    AND newer.expires_at_us + 0 > push_ids.expires_at_us
                LIMIT {REMEMBERED_PUSHES}) AS counted) < {REMEMBERED_PUSHES}"""


def _of_keys(dialect: SqlDialect, column: str, of_one: bool) -> str:
    return f"{dialect.among(column, '$2')} AND project_id = $1" if of_one else dialect.among(column, "$1")
