"""Notes over the wire (N1 to N6): what is written with a push, or not at all, and what is read with entities."""

import asyncio
from typing import Any

import pytest

from harness import Client, Server, change, make_project, outcomes, refused, settings_for, started_server
from syncline.v1 import sync_pb2
from syncline_client import NewNote, NoteMismatch, SyncClient, create


def note(name: str, value: bytes = b"v", expected: int | None = None, ttl: int = 0) -> sync_pb2.Note:
    return sync_pb2.Note(name=name, value=value, expected_version=expected, ttl=ttl)


def noted(changed: sync_pb2.Change, its: sync_pb2.Note) -> sync_pb2.Change:
    changed.note.CopyFrom(its)
    return changed


async def kept(client: Client, *names: str) -> list[tuple[str, int, bytes]]:
    request = sync_pb2.GetRequest(note_names=names)
    found = await client.stub.Get(request, metadata=client.metadata, timeout=30)
    return [(one.name, one.version, one.value) for one in found.notes]


async def test_a_push_of_notes_alone_moves_no_head_and_counts_versions(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        for value in (b"1", b"2"):
            assert (await client.push(notes=[note("couch/_local/a", value), note("b")])).head_ms == 0
        assert await kept(client, "b", "never", "couch/_local/a", "b") == [("b", 2, b"v"), ("couch/_local/a", 2, b"2")]


async def test_a_note_is_its_users_alone(shared_server: Server, user: str):
    async with shared_server.client(user) as client, shared_server.client(f"{user}-2") as other:
        await client.push(notes=[note("a")])
        assert await kept(other, "a") == []


async def test_a_note_of_another_version_fails_the_push_and_nothing_is_written(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        await client.push(notes=[note("a")])
        told = await refused(client.push(change("create", "x"), notes=[note("b"), note("a", b"new", expected=0)]))
        assert (told.code, told.reason) == ("ABORTED", "NOTE_MISMATCH")
        assert told.metadata == {"name": "a", "version": "1"}
        assert await kept(client, "a", "b") == [("a", 1, b"v")]
        assert not (await client.pull("todo")).changes


async def test_notes_of_a_push_that_is_refused_later_are_not_written(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        await refused(client.push(change("update", "x"), notes=[note("a")], require_existing=True))
        assert await kept(client, "a") == []


async def test_the_retry_of_a_write_is_no_mismatch_and_writes_nothing(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        for _ in range(2):
            await client.push(notes=[note("a", b"x", expected=0)])
        assert await kept(client, "a") == [("a", 1, b"x")]
        assert (await refused(client.push(notes=[note("a", b"y", expected=0)]))).reason == "NOTE_MISMATCH"


async def test_a_change_writes_its_note_only_where_it_is_applied(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        first = await client.push(noted(change("create", "x"), note("a", b"1")))
        assert (outcomes(first), first.results[0].note) == ("a", sync_pb2.Note(name="a", version=1))
        lost = await client.push(noted(change("update", "x", base=5), note("a", b"2")))
        assert (outcomes(lost), lost.results[0].note) == ("c", sync_pb2.Note(name="a", version=1, value=b"1"))
        assert await kept(client, "a") == [("a", 1, b"1")]


async def test_the_expectation_of_a_note_is_part_of_its_change(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        await client.push(change("create", "x", {"n": 1}), notes=[note("a", b"1")])
        lost = await client.push(
            noted(change("update", "x", {"n": 2}), note("a", b"2", expected=0)), change("create", "y")
        )
        assert outcomes(lost) == "ca"
        assert lost.results[0].note == sync_pb2.Note(name="a", version=1, value=b"1")
        assert lost.results[0].change.data == b'{"n": 1}'


async def test_the_same_data_with_another_note_is_no_retry(shared_server: Server, user: str):
    async with shared_server.client(user, device="d") as client:
        for value, expected in ((b"1", "a"), (b"1", "r"), (b"2", "a")):
            told = await client.push(noted(change("create", "x", at_ms=5_000), note("a", value)))
            assert outcomes(told) == expected
        assert await kept(client, "a") == [("a", 2, b"2")]


async def test_an_empty_value_deletes_and_versions_begin_again(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        await client.push(notes=[note("a")])
        for _ in range(2):  # the retry, too
            await client.push(notes=[note("a", b"", expected=1)])
        assert await kept(client, "a") == []
        await client.push(notes=[note("a", b"new", expected=0)])
        assert await kept(client, "a") == [("a", 1, b"new")]


async def test_of_compare_and_sets_at_once_one_wins(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        pushes = [client.push(notes=[note("a", str(at).encode(), expected=0)]) for at in range(20)]
        answers = await asyncio.gather(*pushes, return_exceptions=True)
        assert len([one for one in answers if isinstance(one, sync_pb2.PushResponse)]) == 1


@pytest.mark.parametrize(
    ("notes", "field"),
    [
        ([note("")], "notes[0].name"),
        ([note("a\n")], "notes[0].name"),
        ([note("é" * 129)], "notes[0].name"),
        ([note("a", b"x" * 16_385)], "notes[0].value"),
        ([note("a"), note("b", expected=-1)], "notes[1].expected_version"),
        ([note("a", ttl=-1)], "notes[0].ttl"),
        ([note("a", ttl=2**62)], "notes[0].ttl"),
        ([note("a"), note("a")], "notes[1].name"),
        ([note(str(at)) for at in range(101)], "notes"),
    ],
    ids=["empty", "control", "long", "large", "expects", "negative", "for ever", "twice", "many"],
)
async def test_malformed_notes_are_refused_by_field(
    shared_server: Server, user: str, notes: list[sync_pb2.Note], field: str
):
    async with shared_server.client(user) as client:
        told = await refused(client.push(change("create", "x"), notes=notes))
        assert (told.reason, told.metadata["field"]) == ("REQUEST_INVALID", field)


async def test_the_note_of_a_change_is_held_to_the_same(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        bad = noted(change("create", "x"), note("a", b"x" * 16_385))
        told = await refused(client.push(change("create", "w"), bad))
        assert (told.reason, told.metadata["index"], told.metadata["field"]) == ("CHANGE_INVALID", "1", "note.value")
        told = await refused(client.push(noted(change("create", "x"), note("a")), notes=[note("a")]))
        assert (told.reason, told.metadata["field"]) == ("CHANGE_INVALID", "note.name")


async def test_too_many_names_are_refused(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        told = await refused(kept(client, *[str(at) for at in range(101)]))
        assert (told.reason, told.metadata["limit"]) == ("REQUEST_INVALID", "100")


async def test_a_user_may_keep_so_much_in_notes_and_deleting_helps(database_url: str):
    settings = settings_for(database_url, max_user_note_bytes=40_000)
    async with started_server(settings, await make_project(settings)) as server, server.client() as client:
        await client.push(notes=[note("a", b"x" * 16_000), note("b", b"x" * 16_000)])
        full: Any = await refused(client.push(change("create", "x"), notes=[note("c", b"x" * 16_000)]))
        assert (full.code, full.reason) == ("RESOURCE_EXHAUSTED", "NOTES_FULL")
        assert full.metadata == {"limit_bytes": "40000"}
        await client.push(notes=[note("a", b"")])
        await client.push(notes=[note("c", b"x" * 16_000)])
        assert [name for name, *_ in await kept(client, "a", "b", "c")] == ["b", "c"]


async def test_the_python_client_writes_and_reads_notes(shared_server: Server, user: str):
    project = shared_server.project
    async with SyncClient(
        shared_server.address, api_key=project.client_key, session_token=project.token(user)
    ) as client:
        its = NewNote("couch/x", b"1-abc", expected_version=0)
        pushed = await client.push([create("todo", "x", note=its)], notes=[NewNote("a", b"v", ttl_seconds=60)])
        assert pushed.results[0].note is not None
        assert pushed.results[0].note.version == 1
        async with client.pusher() as pusher:
            with pytest.raises(NoteMismatch) as refusal:
                await pusher.push([], notes=[NewNote("couch/x", b"2-abc", expected_version=7)])
        assert (refusal.value.name, refusal.value.version) == ("couch/x", 1)
        found = await client.get([("todo", "x")], note_names=["a", "couch/x"])
        assert [(one.name, one.version, one.value) for one in found.notes] == [("a", 1, b"v"), ("couch/x", 1, b"1-abc")]
        assert 0 < found.notes[0].ttl_seconds <= 60
