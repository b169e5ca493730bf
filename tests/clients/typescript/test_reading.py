"""An app reads on wherever it was: after cuts, restarts, restored backups, ended sessions, other users."""

import shutil
from pathlib import Path

import pytest

from bridge.bridged import bridge_on
from clients.typescript.conftest import Wire
from clients.typescript.device import Device, Node, ScriptFailed, start_node
from faults.proxy import Proxy
from harness import change, make_project, settings_for, started_server
from waiting import until


async def test_many_entities_come_in_pages_with_progress(device: Device, wire: Wire):
    async with wire.client() as client:
        for first in range(0, 3000, 1000):
            await client.push(*[change(entity_id=f"e{n}", data={"n": n}) for n in range(first, first + 1000)])
    received = await device.run(
        """
        open('one', options);
        const received = [];
        apps.one.on('status', ({ phase, progress }) => phase === 'catchingUp' && received.push(progress.received));
        await apps.one.firstSync;
        return received;
        """,
        options=wire.options(),
    )
    assert received == sorted(received)
    assert received[-1] == 3000
    assert await device.run("return apps.one.todo.list().length") == 3000


async def test_an_app_goes_on_live_after_each_cut(device: Device, wire: Wire):
    await device.run("open('one', options); await apps.one.firstSync", options=wire.options())
    async with wire.client() as client:
        for n in range(5):
            wire.proxy.reset() if n % 2 else wire.proxy.cut()
            await client.push(change(entity_id=f"e{n}", data={"n": n}))
            await device.run("await until(() => apps.one.todo.get(id), 'one')", id=f"e{n}")
    assert await device.run("return heard.one.reset") == []


async def test_where_no_stream_gets_through_it_looks_again_and_again(node: Node, wire: Wire):
    await node.run(
        """
        kinds.body = Object.getOwnPropertyDescriptor(Response.prototype, 'body');
        delete Response.prototype.body;
        open('one', options);
        await apps.one.firstSync;
        """,
        options=wire.options(),
    )
    async with wire.client() as client:
        await client.push(*[change(entity_id=f"e{n}", data={"n": n}) for n in range(250)])
        await client.push(change(entity_type="note", entity_id="n", data={}))
        await node.run("await until(() => apps.one.todo.list().length === 250 && apps.one.note.get('n'))")
        await client.push(change("delete", "e7"))
    await node.run("await until(() => !apps.one.todo.get('e7'))")
    await node.run("await apps.one.todo.create({ id: 'mine' }).synced")
    assert "todo/mine" in await wire.stored()
    await node.run("Object.defineProperty(Response.prototype, 'body', kinds.body)")


async def test_a_session_that_ends_is_renewed(node: Node, wire: Wire):
    await node.run("open('one', options); await apps.one.firstSync", options=wire.options(token=wire.token(ttl=3)))
    asked = await node.run("tokens.one = token; return heard.one.asked", token=wire.token())
    await node.run("await until(() => heard.one.asked > asked)", asked=asked)
    async with wire.client() as client:
        await client.push(change(entity_id="after", data={}))
    await node.run("await until(() => apps.one.todo.get('after'), 'one')")
    assert await node.run("return heard.one.signedOut") == []


@pytest.mark.parametrize("token", ["", "no token at all", "of another secret"])
async def test_without_a_good_token_it_is_signed_out_and_keeps_what_waits(node: Node, wire: Wire, token: str):
    await node.run("open('one', options); await apps.one.firstSync; apps.one.pause()", options=wire.options())
    await node.run("await apps.one.todo.create({ id: 'kept' })")
    bad = f"{wire.token()[:-3]}xxx" if token == "of another secret" else token
    await node.run("tokens.one = bad; apps.one.resume(); await until(() => heard.one.signedOut.length)", bad=bad)
    assert await node.run("return status('one').phase") == "stopped"
    with pytest.raises(ScriptFailed) as failed:
        await node.run("await apps.one.flush()")
    assert failed.value.code == "SIGNED_OUT"
    asked = await node.run("return heard.one.asked")
    assert asked <= 5, "it is asked once more, not again and again"
    await node.run("tokens.one = good; apps.one.resume(); await apps.one.flush()", good=wire.token())
    assert await wire.stored() == {"todo/kept": {}}


async def test_signing_out_refuses_to_lose_what_waits_and_forgets_all_else(device: Device, wire: Wire):
    storage = {"kind": "memory", "name": "shared"}
    await device.run("open('one', options); await apps.one.firstSync", options=wire.options(storage=storage))
    await device.run("await apps.one.todo.create({ id: 'a' }).synced; apps.one.pause()")
    await device.run("await apps.one.todo.create({ id: 'b' })")
    with pytest.raises(ScriptFailed) as failed:
        await device.run("await apps.one.signOut()")
    assert failed.value.code == "PENDING"
    await device.run("await apps.one.signOut({ discard: true })")
    await device.run("open('two', options)", options={**wire.options(storage=storage), "url": "http://127.0.0.1:9"})
    await device.run("await until(() => apps.two.user)")
    assert await device.run("return shown('two')") == {}


async def test_two_users_of_a_device_see_nothing_of_each_other(node: Node, wire: Wire):
    options = wire.options(storage={"kind": "memory", "name": "shared"})
    await node.run("open('one', options); await apps.one.firstSync", options=options)
    await node.run("await apps.one.todo.create({ id: 'mine' }).synced; apps.one.pause()")
    await node.run("await apps.one.todo.create({ id: 'waits' })")
    other = wire.server.project.token(f"{wire.user}-other")
    await node.run("tokens.one = other; apps.one.resume();", other=other)
    await node.run("await until(() => apps.one.user === user)", user=f"{wire.user}-other")
    assert await node.run("return shown('one')") == {}
    await node.run("await apps.one.todo.create({ id: 'theirs' }).synced")
    assert await wire.stored() == {"todo/mine": {}}
    await node.run("tokens.one = token; apps.one.resume();", token=wire.token())
    await node.run("await until(() => apps.one.user === user); await apps.one.flush()", user=wire.user)
    assert await wire.stored() == {"todo/mine": {}, "todo/waits": {}}


async def test_what_was_written_offline_outlives_a_killed_process(wire: Wire, tmp_path: Path):
    options = wire.options(storage={"kind": "file", "name": str(tmp_path / "app")})
    node = await start_node()
    await node.run("open('one', options); await apps.one.firstSync", options=options)
    await node.run("await apps.one.todo.create({ id: 'synced' }).synced; apps.one.pause()")
    await node.run("for (let n = 0; n < 30; n++) await apps.one.todo.create({ id: `e${n}`, n })")
    await node.kill()
    with next(tmp_path.glob("app.*")).open("a") as journal:
        journal.write('[["q/torn')
    again = await start_node()
    await again.run("open('one', { ...options, url: 'http://127.0.0.1:9' })", options=options)
    await again.run("await until(() => apps.one.todo.get('e29'))")
    assert await again.run("return status('one').pending") == 30
    await again.run(
        "await apps.one.stop(); open('one', options); await until(() => apps.one.todo.get('e29'))", options=options
    )
    await again.run("await apps.one.flush()")
    await again.kill()
    assert len(await wire.stored()) == 31


async def test_a_store_of_a_newer_version_is_not_opened(node: Node, wire: Wire):
    storage = {"kind": "memory", "name": "shared"}
    await node.run("open('one', options); await apps.one.firstSync", options=wire.options(storage=storage, version=2))
    await node.run("await apps.one.stop(); open('two', options)", options=wire.options(storage=storage, version=1))
    await node.run("await until(() => status('two').phase === 'stopped')")
    assert await node.run("return status('two').error") == "STORE_NEWER"


async def test_a_type_that_is_new_to_the_app_is_read_from_the_start(node: Node, wire: Wire):
    async with wire.client() as client:
        await client.push(change(entity_type="note", entity_id="n", data={"text": "old"}))
    options = wire.options(storage={"kind": "memory", "name": "shared"})
    await node.run(
        """
        open('one', { ...options, types: { todo: client.entity() } });
        await apps.one.firstSync;
        await apps.one.todo.create({ id: 'a' }).synced;
        await apps.one.stop();
        open('two', options);
        await until(() => apps.two.note.get('n') && apps.two.todo.get('a'));
        """,
        options=options,
    )
    assert await node.run("return heard.two.reset") == []


async def test_a_restored_backup_is_read_anew_and_keeps_what_waits(node: Node, tmp_path: Path):
    file = tmp_path / "syncline.db"
    settings = settings_for(f"sqlite:///{file}")
    project = await make_project(settings)
    async with Proxy("127.0.0.1:9") as proxy:
        async with started_server(settings, project) as server, bridge_on(server) as address:
            proxy.target = address
            wire = Wire(server, proxy, "ada")
            await node.run("open('one', options); await apps.one.firstSync", options=wire.options())
            await node.run(
                "await apps.one.batch((tx) => { for (const id of 'abc') tx.todo.create({ id, n: 1 }); }).synced"
            )
        shutil.copy(file, tmp_path / "backup.db")
        async with started_server(settings, project) as server, bridge_on(server) as address:
            proxy.target = address
            await node.run(
                """
                await apps.one.todo.create({ id: 'lost' }).synced;
                await apps.one.todo.update('a', { n: 2 }).synced;
                await apps.one.todo.delete('b').synced;
                await until(() => status('one').phase === 'live');
                """
            )
        await node.run("await apps.one.todo.create({ id: 'waits' }); await apps.one.todo.update('c', { n: 3 })")
        shutil.copy(tmp_path / "backup.db", file)
        async with started_server(settings, project) as server, bridge_on(server) as address:
            proxy.target = address
            wire = Wire(server, proxy, "ada")
            await node.run(
                "await apps.one.flush(); await until(() => heard.one.reset.length && status('one').phase === 'live')"
            )
            stored = await wire.stored()
            assert stored == {"todo/a": {"n": 1}, "todo/b": {"n": 1}, "todo/c": {"n": 3}, "todo/waits": {}}
            await until(lambda: shows(node, stored))


async def shows(node: Node, stored: dict[str, object]) -> bool:
    return bool(await node.run("return shown('one')") == stored)


async def test_a_server_that_is_away_is_found_again(node: Node, tmp_path: Path):
    settings = settings_for(f"sqlite:///{tmp_path / 'syncline.db'}")
    project = await make_project(settings)
    async with Proxy("127.0.0.1:9") as proxy:
        url = f"http://{proxy.address}"
        options = {"url": url, "key": project.client_key, "token": project.token("ada")}
        await node.run("open('one', options)", options=options)
        await node.run("await until(() => status('one').phase === 'offline')")
        for round_ in range(3):
            await node.run("apps.one.todo.create({ id })", id=f"e{round_}")
            async with started_server(settings, project) as server, bridge_on(server) as address:
                proxy.target = address
                await node.run("await apps.one.flush(); await until(() => status('one').phase === 'live', 'one')")
                stored = await Wire(server, proxy, "ada").stored()
                assert len(stored) == round_ + 1
            await node.run("await until(() => status('one').phase !== 'live', 'one')")


async def test_a_store_that_meets_another_server_reads_that_one_and_sends_what_waits(
    node: Node, wire: Wire, tmp_path: Path
):
    storage = {"kind": "memory", "name": "shared"}
    await node.run("open('one', options); await apps.one.firstSync", options=wire.options(storage=storage))
    await node.run("await apps.one.todo.create({ id: 'there' }).synced; apps.one.pause()")
    await node.run("await apps.one.todo.create({ id: 'waits' }); await apps.one.stop()")
    settings = settings_for(f"sqlite:///{tmp_path / 'other.db'}")
    async with started_server(settings) as server, bridge_on(server) as address, Proxy(address) as proxy:
        other = Wire(server, proxy, wire.user)
        async with other.client() as client:
            await client.push(change(entity_id="here", data={}))
        await node.run("open('one', options); await apps.one.flush()", options=other.options(storage=storage))
        await node.run("await until(() => status('one').phase === 'live' && apps.one.todo.get('here'))")
        assert await other.stored() == await node.run("return shown('one')") == {"todo/here": {}, "todo/waits": {}}
        await node.run("await reset()")
