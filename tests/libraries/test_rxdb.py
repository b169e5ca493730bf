"""RxDB as its registry has it syncs through the bridge: initial sync, live, conflicts, offline, restarts."""

import asyncio
from typing import Any

import pytest

from bridge.bridged import bridge_on
from clients.typescript.conftest import Wire
from clients.typescript.device import Node
from harness import Client, change, ids, make_project, settings_for, started_server
from libraries.conftest import RxdbApps
from waiting import retried


async def test_everything_is_there_after_the_first_sync(apps_on_each: RxdbApps):
    apps = apps_on_each
    async with apps.wire.client() as client:
        for start in range(0, 1200, 600):  # the page's handlers ask for 500 at once, replicateServer for 100
            await client.push(*(change(entity_id=f"e{at}", data={"n": at}) for at in range(start, start + 600)))
        await client.push(change("delete", "e0"))
    await apps.open("one")
    await apps.run("await apps.one.sync.awaitInitialReplication()")
    shown = await apps.run("return shown('one')")
    assert shown == {f"e{at}": {"n": at} for at in range(1, 1200)}


async def test_pages_that_the_server_cuts_by_size_end_no_sync(apps: RxdbApps):
    async with apps.wire.client() as client:
        for start in range(0, 90, 15):
            large = [change(entity_id=f"e{at}", data={"title": "x" * 250_000}) for at in range(start, start + 15)]
            await client.push(*large)
    await apps.open("one")
    await apps.run("await apps.one.sync.awaitInitialReplication()")
    assert await apps.run("return Object.keys(await shown('one')).length") == 90


async def test_what_one_does_another_sees_live(apps_on_each: RxdbApps):
    apps = apps_on_each
    await apps.open("one")
    await apps.open("two")
    await apps.run("await apps.one.docs.insert({ id: 'a', title: 'A' })")
    await apps.until_shown({"a": {"title": "A"}}, "one", "two")
    await apps.run("await (await apps.two.docs.findOne('a').exec()).incrementalPatch({ n: 1 })")
    await apps.until_shown({"a": {"title": "A", "n": 1}}, "one", "two")
    await apps.run("await (await apps.one.docs.findOne('a').exec()).remove()")
    await apps.until_shown({}, "one", "two")
    await apps.run("await apps.two.docs.insert({ id: 'a', title: 'again' })")
    await apps.until_shown({"a": {"title": "again"}}, "one", "two")
    assert await apps.run("return [...apps.one.errors, ...apps.two.errors]") == []


async def test_others_write_the_same_data_by_other_ways(apps: RxdbApps):
    await apps.open("one")
    async with apps.wire.client() as client:
        await client.push(change(entity_id="a", data={"title": "by gRPC"}))
        await apps.until_shown({"a": {"title": "by gRPC"}}, "one")
        await apps.run(
            "await (await apps.one.docs.findOne('a').exec()).incrementalPatch({ n: 1 }); await synced('one')"
        )
        (found,) = (await client.pull("todo")).changes
        assert b'"n":1' in found.data
        await client.push(change("delete", "a"))
    await apps.until_shown({}, "one")


EDIT = "await (await apps[name].docs.findOne('a').exec()).incrementalPatch(members)"
CONFLICTS: dict[str, tuple[str, str]] = {
    "edit against edit": (EDIT, EDIT),
    "delete against edit": ("await (await apps[name].docs.findOne('a').exec()).remove()", EDIT),
    "edit against delete": (EDIT, "await (await apps[name].docs.findOne('a').exec()).remove()"),
}


async def meet(apps: RxdbApps, first: str, second: str, **options: Any) -> None:
    """Let two apps know a document, do two things to it without hearing of each other, and meet."""
    await apps.open("one", **options)
    await apps.open("two", **options)
    await apps.run("await apps.one.docs.insert({ id: 'a', n: 1 })")
    await apps.until_shown({"a": {"n": 1}}, "one", "two")
    apps.wire.proxy.black_hole()
    await apps.run(first, name="one", members={"n": 3})
    apps.wire.proxy.forget()
    apps.wire.proxy.black_hole()
    await apps.run(second, name="two", members={"n": 6})
    apps.wire.proxy.forget()
    apps.wire.proxy.reset()


@pytest.mark.parametrize("kind", CONFLICTS)
async def test_by_default_whoever_comes_first_wins_and_both_show_it(apps: RxdbApps, kind: str):
    await meet(apps, *CONFLICTS[kind])
    await apps.run("await synced('one'); await synced('two')")
    await apps.run("await until(async () => JSON.stringify(await shown('one')) === JSON.stringify(await shown('two')))")
    shown = await apps.run("return shown('one')")
    assert shown in ({"a": {"n": 3}}, {"a": {"n": 6}}, {})
    await apps.until_shown(shown, "one", "two")


async def test_a_merging_handler_merges(apps: RxdbApps):
    await meet(apps, EDIT, EDIT, merges=True)
    await apps.until_shown({"a": {"n": 8}}, "one", "two")


async def test_two_inserts_under_one_id_meet(apps: RxdbApps):
    await apps.open("one", merges=True)
    await apps.open("two", merges=True)
    apps.wire.proxy.black_hole()
    await apps.run("await apps.one.docs.insert({ id: 'a', n: 1 }); await apps.two.docs.insert({ id: 'a', n: 1 })")
    apps.wire.proxy.forget()
    apps.wire.proxy.reset()
    await apps.until_shown({"a": {"n": 2}}, "one", "two")


@pytest.mark.parametrize("client", ["handlers"])
async def test_increments_of_four_devices_at_once_all_count(node: Node, wire_to_each: Wire, client: str):
    apps = RxdbApps(node, wire_to_each, client)
    names = [f"device-{at}" for at in range(4)]
    await asyncio.gather(*(apps.open(name, merges=True) for name in names))
    await apps.run("await apps['device-0'].docs.insert({ id: 'a', n: 0 })")
    await apps.until_shown({"a": {"n": 0}}, *names)
    await apps.run(
        """
        await Promise.all(names.map(async (name) => {
          for (let at = 0; at < 15; at++) {
            const found = await apps[name].docs.findOne('a').exec();
            await found.incrementalModify((one) => ({ ...one, n: one.n + 1 }));
            await synced(name);
          }
        }))
        """,
        names=names,
    )
    await apps.until_shown({"a": {"n": 60}}, *names)


async def revision_of(client: Client, data: bytes) -> int:
    """Return the revision of what holds this; raises LookupError where nothing does."""
    found = [one.revision for one in (await client.pull("todo")).changes if data in one.data]
    if not found:
        raise LookupError(data)
    return found[0]


async def test_lost_answers_make_neither_conflicts_nor_doubles(apps: RxdbApps):
    await apps.open("one")
    await apps.run("await apps.one.docs.insert({ id: 'a', n: 1 })")
    await apps.until_shown({"a": {"n": 1}}, "one")
    await apps.run(
        """
        apps.one.conflicts = 0;
        const { events } = apps.one.sync.internalReplicationState;
        events.resolvedConflicts.subscribe(() => apps.one.conflicts++);
        """
    )
    apps.wire.proxy.black_hole(down=True, up=False)
    await apps.run(EDIT, name="one", members={"n": 2})
    await apps.run("await apps.one.docs.insert({ id: 'b', n: 1 })")
    async with apps.wire.client() as client:
        applied = await retried(lambda: revision_of(client, b'"n":2'), despite=LookupError)
        apps.wire.proxy.forget()
        apps.wire.proxy.reset()
        await apps.until_shown({"a": {"n": 2}, "b": {"n": 1}}, "one")
        await apps.run("await synced('one')")
        assert await revision_of(client, b'"n":2') == applied, "it was not written twice"
    assert await apps.run("return apps.one.conflicts") == 0


async def test_what_was_written_offline_arrives_and_what_was_missed_comes(apps: RxdbApps):
    await apps.open("one")
    await apps.open("two", base="http://127.0.0.1:9")
    await apps.run(
        "for (let at = 0; at < 30; at++) await apps.two.docs.insert({ id: `e${at}`, n: at }); await close('two')"
    )
    await apps.run("await apps.one.docs.insert({ id: 'missed' })")
    await apps.open("two")
    expected = {"missed": {}, **{f"e{at}": {"n": at} for at in range(30)}}
    await apps.until_shown(expected, "one", "two")


async def test_a_client_that_is_reopened_goes_on_where_it_was(apps: RxdbApps):
    await apps.open("one")
    await apps.run("await apps.one.docs.insert({ id: 'a', n: 1 }); await synced('one'); await close('one')")
    async with apps.wire.client() as client:
        await client.push(change(entity_id="b", data={"n": 2}))
        await apps.open("one")
        await apps.until_shown({"a": {"n": 1}, "b": {"n": 2}}, "one")
        assert ids((await client.pull("todo")).changes) == ["a", "b"], "nothing was pushed again"


async def test_a_bridge_that_restarts_under_open_streams_is_live_again(apps: RxdbApps):
    address = "127.0.0.1:0"
    for _ in range(2):
        async with bridge_on(apps.wire.server, http_address=address) as address:
            apps.wire.proxy.target = address
            apps.wire.proxy.reset()
            if "one" not in await apps.run("return Object.keys(apps)"):
                await apps.open("one")
                await apps.run("await apps.one.docs.insert({ id: 'first' })")
                await apps.until_shown({"first": {}}, "one")
    async with bridge_on(apps.wire.server, http_address=address):
        async with apps.wire.client() as client:
            await client.push(change(entity_id="second", data={}))
        await apps.until_shown({"first": {}, "second": {}}, "one")
        async with apps.wire.client() as client:
            await client.push(change(entity_id="live", data={}))
        await apps.until_shown({"first": {}, "second": {}, "live": {}}, "one")


async def test_a_server_that_restarts_under_open_streams_is_live_again(apps: RxdbApps, sqlite_url: str):
    settings = settings_for(sqlite_url)
    project = await make_project(settings)
    headers = {"X-Api-Key": project.client_key, "Authorization": f"Bearer {project.token('ada')}", "X-Device-Id": "one"}
    async with started_server(settings, project) as server:
        again = settings.model_copy(update={"grpc_address": server.address})
    expected: dict[str, Any] = {}
    async with bridge_on(server) as address:
        for at in range(2):
            async with started_server(again, project) as server, server.client("ada") as client:
                if at == 0:
                    await apps.open("one", base=f"http://{address}", headers=headers)
                await client.push(change(entity_id=f"e{at}", data={"n": at}))
                expected |= {f"e{at}": {"n": at}}
                await apps.run("await untilShown(expected, 'one')", expected=expected)
                await client.push(change(entity_id="live", data={"n": at}))
                expected |= {"live": {"n": at}}
                await apps.run("await untilShown(expected, 'one')", expected=expected)


async def test_a_change_between_the_pull_and_the_stream_is_not_lost(apps: RxdbApps):
    await apps.open("one")
    await apps.run("await apps.one.sync.awaitInitialReplication()")
    async with apps.wire.client() as client:
        for at in range(5):
            apps.wire.proxy.cut()  # the stream is away
            await client.push(change(entity_id=f"gap{at}", data={}))
            await client.push(change(entity_id=f"after{at}", data={}))
    expected: dict[str, Any] = {f"{kind}{at}": {} for at in range(5) for kind in ("gap", "after")}
    await apps.until_shown(expected, "one")


async def test_another_users_documents_never_show(apps: RxdbApps):
    async with apps.wire.server.client(f"{apps.wire.user}-2") as other:
        await other.push(change(entity_id="theirs", data={}))
        await apps.open("one")
        await apps.run("await apps.one.docs.insert({ id: 'mine' })")
        await apps.until_shown({"mine": {}}, "one")
        assert ids((await other.pull("todo")).changes) == ["theirs"]
