"""Ids of users and devices, held to the form that both sides of the contract agree on."""

from syncline import words
from syncline_server.sync.errors import RequestInvalid


def check_id(field: str, value: object) -> None:
    """Raise RequestInvalid, which names `field`, unless `value` is an id (words.id_problem)."""
    problem = words.id_problem(value) if isinstance(value, str) else "must be a string"
    if problem:
        limits = {"limit_bytes": words.MAX_ID_BYTES} if problem == words.ID_LENGTH_PROBLEM else {}
        raise RequestInvalid(field, problem, **limits)
