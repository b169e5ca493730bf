"""What an operator looks up: projects and their keys, asked of a database however it was opened."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from syncline_server.identity.projects import KeyKind, NoSuchProject, Project

_PROJECTS: Final = """
    SELECT projects.id, name, secret, projects.created_at_us, bound_devices, disabled_at_us, delete_at_us
    FROM projects JOIN session_secrets ON session_secrets.project_id = projects.id"""
_SECRETS_IN_ORDER: Final = (
    "ORDER BY projects.created_at_us, projects.id, session_secrets.created_at_us DESC, session_secrets.id"
)
_ALL_PROJECTS: Final = f"{_PROJECTS} {_SECRETS_IN_ORDER}"
_PROJECT: Final = f"{_PROJECTS} WHERE name = $1 {_SECRETS_IN_ORDER}"
_KEYS: Final = """
    SELECT id, kind, name, created_at_us, expires_at_us, revoked_at_us, last_used_day
    FROM project_keys WHERE project_id = $1 ORDER BY created_at_us, kind, id"""


class Catalogue(Protocol):
    """A database that answers look-ups, and is changed by none."""

    async def rows(self, statement: str, *parameters: object) -> Sequence[Mapping[str, Any]]:
        """Return what a SELECT finds; its parameters are written $1, $2, …. Raises StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class RecordedKey:
    """What is known of a project key beside its text, which nobody keeps."""

    id: str
    kind: KeyKind
    name: str | None
    created_at_us: int
    expires_at_us: int | None
    revoked_at_us: int | None
    last_used_day: int | None
    """Days since the Unix epoch; None: never, as far as is known."""


async def all_projects(catalogue: Catalogue) -> list[Project]:
    """Return all projects, oldest first. Raises StoreUnavailable."""
    return _projects(await catalogue.rows(_ALL_PROJECTS))


async def project_named(catalogue: Catalogue, name: str) -> Project:
    """Return a project. Raises NoSuchProject and StoreUnavailable."""
    found = await catalogue.rows(_PROJECT, name)
    if not found:
        raise NoSuchProject(name)
    return _projects(found)[0]


async def project_of_id(catalogue: Catalogue, project_id: int) -> Project | None:
    """Return a project; None: it is gone. Raises StoreUnavailable."""
    return (await projects_of_ids(catalogue, [project_id])).get(project_id)


async def projects_of_ids(catalogue: Catalogue, project_ids: Collection[int]) -> dict[int, Project]:
    """Return those of some hundred projects that there are, by id. Raises StoreUnavailable."""
    if not project_ids:
        return {}
    statement = f"{_PROJECTS} WHERE projects.id IN ({placeholders(len(project_ids))}) {_SECRETS_IN_ORDER}"
    return {project.id: project for project in _projects(await catalogue.rows(statement, *project_ids))}


def placeholders(count: int, first: int = 1) -> str:
    """Return a list of so many parameters."""
    return ", ".join(f"${number}" for number in range(first, first + count))


async def keys_of(catalogue: Catalogue, project: Project) -> list[RecordedKey]:
    """Return the keys of a project, oldest first. Raises StoreUnavailable."""
    rows = await catalogue.rows(_KEYS, project.id)
    return [RecordedKey(**{**row, "kind": KeyKind(row["kind"])}) for row in rows]


def _projects(rows: Sequence[Mapping[str, Any]]) -> list[Project]:
    """Return the projects in rows of one session secret each, which come newest first."""
    secrets: dict[int, list[str]] = {}
    for row in rows:
        secrets.setdefault(row["id"], []).append(row["secret"])
    first = {row["id"]: row for row in reversed(rows)}
    return [
        Project(
            project_id,
            first[project_id]["name"],
            tuple(its_secrets),
            first[project_id]["created_at_us"],
            bound_devices=bool(first[project_id]["bound_devices"]),
            disabled_at_us=first[project_id]["disabled_at_us"],
            delete_at_us=first[project_id]["delete_at_us"],
        )
        for project_id, its_secrets in secrets.items()
    ]
