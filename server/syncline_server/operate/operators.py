"""Operators: who may call the AdminService from elsewhere, with keys of their own."""

from typing import Final

from syncline_server.identity.operators import NewOperator, Operators, RecordedOperator, Role
from syncline_server.identity.projects import check_project_name
from syncline_server.store import operators
from syncline_server.store.catalogue import Catalogue

_ALL: Final = 2**31 - 1


async def create(maker: Operators, name: str, role: Role) -> NewOperator:
    """Make an operator with a key. Raises RequestInvalid and StoreUnavailable."""
    check_project_name(name)
    return await maker.create(name, role)


async def recorded(looked_at: Catalogue, after: tuple[int, str] = (0, ""), limit: int = _ALL) -> list[RecordedOperator]:
    """Return operators there have been, oldest first, after (time in µs, id). Raises StoreUnavailable."""
    return await operators.all_operators(looked_at, after, limit)


async def revoke(maker: Operators, operator_id: str) -> None:
    """End the key of an operator; servers refuse it at once. Raises NoSuchOperator and StoreUnavailable."""
    await maker.revoke(operator_id)
