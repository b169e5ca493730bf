"""What one user may do and keep: limits with an error that names them, over gRPC and HTTP."""

from pathlib import Path
from typing import Any

import pytest

from bridge.bridged import bridged_on
from bridge.dialects.checkpoint_sync.app import App, edit
from harness import Client, change, failure, make_project, outcomes, refused, settings_for, started_server
from syncline_server.operate import projects
from syncline_server.store.database import database
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.opening import existing_engines
from syncline_server.store.registry import SqlRegistry


def named(server: Any, said: str, /, **token: Any) -> Client:
    """Return a client of ada's that says which device it is."""
    project = server.project
    metadata = {"x-api-key": project.client_key, "authorization": f"Bearer {project.token(**token)}"}
    return Client(server.address, {**metadata, **({"x-device-id": said} if said else {})})


async def test_failed_calls_changes_and_streams_count_as_calls(database_url: str):
    async with (
        started_server(settings_for(database_url, calls_per_minute=10)) as server,
        server.client("ada") as ada,
        server.client("eve") as eve,
        server.client("bob") as bob,
    ):
        for _ in range(10):
            assert (await refused(ada.pull("no type"))).reason == "REQUEST_INVALID"
        assert (await refused(ada.pull())).reason == "RATE_LIMITED"
        assert outcomes(await eve.push(*(change("create", f"e{number}") for number in range(10)))) == "a" * 10
        told = await refused(eve.push(change()))
        assert (told.reason, told.metadata["max"], told.metadata["unit"]) == ("RATE_LIMITED", "10", "calls")
        for _ in range(10):
            assert [one async for one in bob.stream()]
        assert (await refused(bob.stream().read())).reason == "RATE_LIMITED"


async def test_there_is_a_generous_limit_unless_an_operator_takes_it_away(database_url: str):
    settings = settings_for(database_url)
    assert (settings.calls_per_minute, settings.push_bytes_per_minute) == (120_000, 512 * 1024 * 1024)


async def test_the_bytes_that_a_user_pushes_in_a_minute_are_limited(database_url: str):
    async with (
        started_server(settings_for(database_url, push_bytes_per_minute=10_000)) as server,
        server.client("ada") as ada,
    ):
        await ada.push(change(data={"text": "x" * 20_000}))
        told = await refused(ada.pull())
        assert (told.reason, told.message) == ("RATE_LIMITED", "More than 10000 bytes of pushes in 60 s.")


async def test_a_user_cannot_invent_devices_without_end(database_url: str):
    async with started_server(settings_for(database_url, devices_per_user=3)) as server:
        for number in range(3):
            async with named(server, f"d{number}") as client:
                await client.pull()
        async with named(server, "d3") as fourth, named(server, "d1") as second, named(server, "") as none:
            told = await refused(fourth.pull())
            assert (told.reason, told.message) == ("RATE_LIMITED", "More than 3 devices in 86400 s.")
            await second.pull()
            await none.pull()
        async with named(server, "", device="d4") as in_its_token:
            assert (await refused(in_its_token.pull())).reason == "RATE_LIMITED"
        async with server.client("eve", device="d4") as eve:
            await eve.pull()


async def bind(database_url: str, project: str, *, bound: bool = True) -> None:
    async with existing_engines(database(database_url, Path())) as engines:
        await projects.bind_devices(SqlRegistry(engines), EngineCatalogue(engines), project, bound=bound)


async def test_a_project_may_take_no_device_but_the_one_that_a_token_names(database_url: str):
    settings = settings_for(database_url)
    made = await make_project(settings)
    await bind(database_url, made.name)
    async with started_server(settings, made) as server:
        for client, is_taken in (
            (named(server, "d1"), False),
            (named(server, "d1", device="d2"), False),
            (named(server, "d1", device="d1"), True),
            (named(server, "", device="d1"), True),
            (named(server, ""), True),
        ):
            async with client:
                if is_taken:
                    await client.pull()
                    continue
                told = await refused(client.pull())
                assert (told.code, told.metadata["field"]) == ("INVALID_ARGUMENT", "x-device-id")
        async with server.service(**{"x-device-id": "d9"}) as service:
            await service.pull(user_id="ada")


async def test_a_project_takes_any_device_again_when_it_binds_none_any_more(database_url: str):
    settings = settings_for(database_url)
    made = await make_project(settings)
    await bind(database_url, made.name)
    await bind(database_url, made.name, bound=False)
    async with started_server(settings, made) as server, named(server, "d1", device="d2") as client:
        await client.pull()


async def test_other_projects_take_any_device(database_url: str):
    settings = settings_for(database_url)
    made, other = await make_project(settings), await make_project(settings, "other")
    await bind(database_url, other.name)
    async with started_server(settings, made) as server, named(server, "d1", device="d2") as client:
        await client.pull()


async def test_a_device_id_that_is_none_is_refused_beside_a_token_that_names_one(database_url: str):
    async with started_server(settings_for(database_url)) as server, named(server, "x" * 500, device="d") as client:
        assert (await refused(client.pull())).metadata["field"] == "x-device-id"


async def test_what_is_kept_of_a_user_is_limited_until_some_of_it_is_deleted(database_url: str):
    settings = settings_for(database_url, max_user_bytes=10_000)
    async with started_server(settings) as server, server.client("ada") as ada, server.client("eve") as eve:
        for number in range(4):
            await ada.push(change("create", f"e{number}", {"text": "x" * 2_000}))
        told = await refused(ada.push(change("create", "e5", {"text": "x" * 4_000})))
        assert (told.reason, told.message) == ("RATE_LIMITED", "More than 10000 bytes kept.")
        assert (await ada.pull()).changes[-1].entity_id == "e3"
        await ada.push(change("delete", "e0"))
        await eve.push(change(data={"text": "x" * 4_000}))
        with pytest.raises(Exception, match="bytes kept") as raised:
            await ada.push(change("create", "e6", {"text": "x" * 9_000}))
        assert failure(raised.value).retry_seconds


async def test_over_http_the_limit_is_told_with_its_unit(database_url: str, user: str):
    async with (
        started_server(settings_for(database_url, push_bytes_per_minute=1_000)) as server,
        bridged_on(server) as bridged,
    ):
        app = App(bridged, user)
        await app.push(edit(data={"text": "x" * 2_000}))
        answer = await app.post(edit())
        details = answer.json()["error"]["details"]
        assert (answer.status_code, details["max"], details["unit"]) == (429, 1_000, "bytes of pushes")
        assert answer.json()["error"]["message"] == "More than 1000 bytes of pushes in 60 s."
