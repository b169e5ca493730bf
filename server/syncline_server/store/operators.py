"""Operators in SQL."""

from typing import Final

from sqlalchemy import insert, update

from syncline_server.identity.operators import NewOperator, NoSuchOperator, RecordedOperator, Role, new_operator
from syncline_server.identity.projects import hash_key
from syncline_server.store import audit
from syncline_server.store.audit import Act
from syncline_server.store.catalogue import Catalogue
from syncline_server.store.clock import system_clock_us
from syncline_server.store.engine import Engines
from syncline_server.store.errors import translated
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.tables import operators

_COLUMNS: Final = "id, name, role, created_at_us, revoked_at_us"
_FIND: Final = f"SELECT {_COLUMNS}, secret_hash FROM operators WHERE id = $1 AND revoked_at_us IS NULL"  # noqa: S608  # our own words
_ALL: Final = f"""
    SELECT {_COLUMNS} FROM operators WHERE (created_at_us, id) > ($1, $2)
    ORDER BY created_at_us, id LIMIT $3"""  # noqa: S608  # as above


class SqlOperators:
    """See identity.operators.Operators."""

    def __init__(self, engines: Engines, by: str) -> None:
        """`by` is who makes and ends them, for the audit."""
        self._engines = engines
        self._by = by

    async def find(self, key_id: str) -> tuple[RecordedOperator, bytes] | None:
        """Return an operator whose key is in force, and its SHA-256. Raises StoreUnavailable."""
        for row in await EngineCatalogue(self._engines).rows(_FIND, key_id):
            known = {name: value for name, value in row.items() if name != "secret_hash"}
            return RecordedOperator(**{**known, "role": Role(known["role"])}), bytes(row["secret_hash"])
        return None

    async def create(self, name: str, role: Role) -> NewOperator:
        """Make an operator. Raises StoreUnavailable."""
        made = new_operator(name, role)
        row = {"id": made.id, "name": name, "role": role.value, "created_at_us": system_clock_us()}
        with translated():
            async with self._engines.writing.begin() as connection:
                await connection.execute(insert(operators).values(**row, secret_hash=hash_key(made.text)))
                await audit.record(connection, self._by, Act("operator.create", subject=made.id))
        return made

    async def revoke(self, operator_id: str) -> None:
        """End the key of an operator. Raises NoSuchOperator and StoreUnavailable."""
        in_force = (operators.c.id == operator_id, operators.c.revoked_at_us.is_(None))
        ended = update(operators).where(*in_force).values(revoked_at_us=system_clock_us())
        with translated():
            async with self._engines.writing.begin() as connection:
                if not (await connection.execute(ended)).rowcount:
                    raise NoSuchOperator(operator_id)
                await audit.record(connection, self._by, Act("operator.revoke", subject=operator_id))


async def all_operators(catalogue: Catalogue, after: tuple[int, str], limit: int) -> list[RecordedOperator]:
    """Return operators there have been, oldest first, after (time, id). Raises StoreUnavailable."""
    rows = await catalogue.rows(_ALL, *after, limit)
    return [RecordedOperator(**{**row, "role": Role(row["role"])}) for row in rows]
