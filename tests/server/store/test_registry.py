"""Keys and secrets of a project: which are in force."""

import time
import uuid

import pytest
from sqlalchemy import text

from harness import Client, Server, change, make_project, refused, settings_for, started_server
from syncline_server.identity.projects import NewKey
from syncline_server.identity.session_tokens import issue_token
from syncline_server.operate import projects
from syncline_server.store.catalogue import project_named
from syncline_server.store.engine import Engines
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.registry import SqlRegistry

HOUR_US = 3_600_000_000
SECOND = "s" * 64
"""The session secret that comes second."""


async def run(engines: Engines, statement: str) -> None:
    async with engines.writing.begin() as connection:
        await connection.execute(text(statement))


@pytest.fixture
async def key(engines: Engines) -> NewKey:
    return (await SqlRegistry(engines).create("app")).client_key


@pytest.mark.parametrize(
    ("column", "from_now_us", "in_force"),
    [("expires_at_us", -1, False), ("expires_at_us", HOUR_US, True), ("revoked_at_us", -1, False)],
)
async def test_a_key_is_found_while_it_is_in_force(
    engines: Engines, key: NewKey, column: str, from_now_us: int, in_force: bool
):
    assert await SqlRegistry(engines).find_key(key.id) is not None
    at_us = time.time_ns() // 1000 + from_now_us
    await run(engines, f"UPDATE project_keys SET {column} = {at_us} WHERE id = '{key.id}'")
    assert (await SqlRegistry(engines).find_key(key.id) is not None) == in_force


async def test_many_keys_are_found_at_once_but_for_those_that_are_gone(engines: Engines, key: NewKey):
    registry = SqlRegistry(engines)
    others = [(await registry.create(f"app{number}")).client_key.id for number in range(3)]
    await run(engines, f"UPDATE project_keys SET revoked_at_us = 1 WHERE id = '{others[1]}'")
    found = await registry.find_keys([key.id, *others, "unknown"])
    assert {one: found[one].project.name for one in found} == {key.id: "app", others[0]: "app0", others[2]: "app2"}


async def test_a_second_secret_signs_and_the_first_is_good_until_it_goes(engines: Engines, database_url: str):
    settings = settings_for(database_url)
    made = await make_project(settings)
    project_id = (await project_named(EngineCatalogue(engines), made.name)).id
    columns = "id, project_id, secret, created_at_us"
    await run(engines, f"INSERT INTO session_secrets ({columns}) VALUES ('second', {project_id}, '{SECOND}', {2**60})")
    assert await projects.session_secret(EngineCatalogue(engines), made.name) == SECOND
    async with started_server(settings, made) as server:
        for secret in (made.session_secret, SECOND):
            async with client_of(server, secret) as client:
                await client.push(change("update", uuid.uuid4().hex))
    await run(engines, "DELETE FROM session_secrets WHERE id <> 'second'")
    async with started_server(settings, made) as server:
        async with client_of(server, SECOND) as client:
            await client.push(change("update", uuid.uuid4().hex))
        async with client_of(server, made.session_secret) as client:
            assert (await refused(client.push(change()))).reason == "SESSION_INVALID"


def client_of(server: Server, secret: str) -> Client:
    token = issue_token(secret, "ada", ttl_seconds=60)
    return Client(server.address, {"x-api-key": server.project.client_key, "authorization": f"Bearer {token}"})
