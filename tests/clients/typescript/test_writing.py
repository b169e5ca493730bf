"""What is written offline, twice, in batches, too large: it waits, arrives once, and is refused alone."""

import pytest

from clients.typescript.conftest import Wire
from clients.typescript.device import Device, Node, ScriptFailed
from harness import now_ms
from waiting import until


async def opened(device: Device, wire: Wire, name: str = "one", **options: object) -> None:
    await device.run("open(name, options); await apps[name].firstSync", name=name, options=wire.options(**options))


async def test_what_is_written_offline_waits_and_arrives(device: Device, wire: Wire):
    await opened(device, wire)
    wire.proxy.black_hole()
    wire.proxy.cut()
    status = await device.run(
        """
        for (let n = 0; n < 20; n++) await apps.one.todo.create({ id: `t${n}`, n });
        await apps.one.todo.update('t3', { done: true });
        await apps.one.todo.delete('t4');
        return status('one');
        """
    )
    assert status["pending"] == 22
    assert await wire.stored() == {}
    wire.proxy.heal()
    await device.run("await apps.one.flush()")
    stored = await wire.stored()
    assert len(stored) == 19
    assert stored["todo/t3"] == {"n": 3, "done": True}
    assert await device.run("return shown('one')") == stored


@pytest.mark.parametrize("bytes_of_the_answer", [0, 30])
async def test_a_push_whose_answer_is_lost_is_applied_once(device: Device, wire: Wire, bytes_of_the_answer: int):
    await opened(device, wire)
    await device.run("await apps.one.todo.create({ id: 'bread' }).synced")  # a page asks first whether it may push
    wire.proxy.weather.reset_after_bytes = bytes_of_the_answer
    wire.proxy.weather.down.clear()
    await device.run("await apps.one.todo.create({ id: 'milk', title: 'Milk' })")
    await until(lambda: reached(wire, "todo/milk"))
    async with wire.client() as client:
        before = [change.revision for change in await client.pull_all()]
    wire.proxy.heal()
    await device.run("await apps.one.flush()")
    async with wire.client() as client:
        assert [change.revision for change in await client.pull_all()] == before
    assert await device.run("return heard.one.conflict") == []


async def reached(wire: Wire, key: str) -> bool:
    return key in await wire.stored()


async def test_a_change_that_the_server_refuses_is_parked_and_the_rest_goes_on(device: Device, wire: Wire):
    await opened(device, wire)
    code = await device.run(
        """
        const large = apps.one.todo.create({ id: 'large', text: 'x'.repeat(300_000) });
        await Promise.all([
          apps.one.todo.create({ id: 'a' }), large, apps.one.todo.update('large', { done: true }),
          apps.one.todo.create({ id: 'b' }),
        ]);
        await apps.one.flush();
        return large.synced.then(() => 'synced', (error) => error.code);
        """
    )
    assert code == "REFUSED"
    assert set(await wire.stored()) == {"todo/a", "todo/b"}
    assert set(await device.run("return shown('one')")) == {"todo/a", "todo/b"}
    rejected = await device.run("return apps.one.rejected.map(({ changes }) => changes.map(({ id }) => id))")
    assert rejected == [["large"], ["large"]]
    await device.run("for (const one of apps.one.rejected) await apps.one.dismiss(one)")
    assert await device.run("return apps.one.rejected") == []


async def test_a_batch_is_one_push(device: Device, wire: Wire):
    await opened(device, wire)
    await device.run(
        """
        await apps.one.batch((tx) => {
          const { id } = tx.todo.create({ id: 'list', title: 'Shopping' });
          for (let n = 0; n < 500; n++) tx.note.create({ id: `n${n}`, of: id });
          tx.todo.update(id, { notes: 500 });
        }).synced;
        """
    )
    async with wire.client() as client:
        revisions = {change.revision // 1000 for change in await client.pull_all()}
    assert len(revisions) == 1, "a push has one millisecond"
    assert (await wire.stored())["todo/list"] == {"title": "Shopping", "notes": 500}


async def test_more_than_a_push_carries_goes_in_several(device: Device, wire: Wire):
    await opened(device, wire)
    await device.run(
        """
        apps.one.pause();
        for (let n = 0; n < 2_500; n++) apps.one.todo.create({ id: `t${n}`, n });
        for (let n = 0; n < 40; n++) apps.one.note.create({ id: `n${n}`, text: 'x'.repeat(200_000) });
        apps.one.resume();
        await apps.one.flush();
        """
    )
    assert len(await wire.stored()) == 2_540


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("apps.one.todo.update('gone', { done: true })", "NOT_FOUND"),
        ("apps.one.todo.delete('gone')", "NOT_FOUND"),
        ("apps.one.todo.create({ id: '', title: 'x' })", "INVALID"),
        ("apps.one.todo.create({ id: 'a\\nb' })", "INVALID"),
        ("apps.one.todo.create({ id: 'ä'.repeat(65) })", "INVALID"),
        ("apps.one.todo.create({ n: 1n })", "INVALID"),
        ("apps.one.todo.create({ text: 'x'.repeat(5_000_000) })", "TOO_LARGE"),
        ("apps.one.batch((tx) => { for (let n = 0; n < 1_001; n++) tx.todo.create({ n }); })", "TOO_LARGE"),
        ("apps.one.batch(async (tx) => tx.todo.create({}))", "INVALID"),
        ("(() => { const a = {}; a.a = a; return apps.one.todo.create(a); })()", "INVALID"),
    ],
)
async def test_what_no_push_could_carry_is_refused_at_once(node: Node, wire: Wire, script: str, code: str):
    await opened(node, wire)
    with pytest.raises(ScriptFailed) as failed:
        await node.run(f"await {script}")
    assert failed.value.code == code
    assert await node.run("return status('one').pending") == 0


async def test_text_that_is_no_unicode_is_mended(node: Node, wire: Wire):
    await opened(node, wire)
    await node.run(r"await apps.one.todo.create({ id: 'a', text: 'x\ud800y\\ud800 😀' }).synced")
    assert (await wire.stored())["todo/a"] == {"text": "x\ufffdy\\ud800 😀"}


async def test_what_a_schema_refuses_is_not_written(node: Node, wire: Wire):
    await node.run(
        """
        open('one', { ...options, types: {
          todo: client.entity({ '~standard': { version: 1, vendor: 'test', validate: (value) =>
            typeof value.title === 'string'
              ? { value: { done: false, ...value } }
              : { issues: [{ message: 'a title is needed' }] },
          } }),
        } });
        """,
        options=wire.options(),
    )
    assert await node.run("return await apps.one.todo.create({ id: 'a', title: 'Milk' })") is not None
    with pytest.raises(ScriptFailed, match="a title is needed") as failed:
        await node.run("await apps.one.todo.update('a', { title: 7 })")
    assert failed.value.code == "INVALID"
    await node.run("await apps.one.flush()")
    assert await wire.stored() == {"todo/a": {"title": "Milk", "done": False}}


async def test_a_member_that_becomes_undefined_is_removed(node: Node, wire: Wire):
    await opened(node, wire)
    await node.run(
        """
        await apps.one.todo.create({ id: 'a', title: 'Milk', due: 'today' }).synced;
        await apps.one.todo.update('a', { due: undefined }).synced;
        """
    )
    assert await wire.stored() == {"todo/a": {"title": "Milk"}}


ANSWERED = """
    kinds.real ??= globalThis.fetch;
    const sent = [];
    open('one', { ...options, fetch: async (url, init) => {
      if (init.method !== 'POST') return kinds.real(url, init);
      sent.push({ at: Date.now(), changes: JSON.parse(init.body).changes.length, body: init.body });
      return answer(sent) ?? kinds.real(url, init);
    } });
    await apps.one.firstSync;
    kinds.sent = sent;
"""


@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_asks_to_wait_is_not_asked_before(node: Node, wire: Wire, status: int):
    answer = f"""(sent) => sent.length === 1
        ? new Response('{{}}', {{ status: {status}, headers: {{ 'Retry-After': '1' }} }}) : undefined"""
    await node.run(ANSWERED.replace("answer(sent)", f"({answer})(sent)"), options=wire.options())
    await node.run("apps.one.todo.create({ id: 'a' }); await apps.one.flush()")
    first, second = await node.run("return kinds.sent")
    assert second["at"] - first["at"] >= 1_000
    assert first["body"] == second["body"], "what is sent again is the same to the byte"
    assert await wire.stored() == {"todo/a": {}}


async def test_what_is_too_large_for_something_on_the_way_goes_in_smaller_pieces(node: Node, wire: Wire):
    answer = "(sent) => sent.at(-1).body.length > 60_000 ? new Response('too large', { status: 413 }) : undefined"
    await node.run(ANSWERED.replace("answer(sent)", f"({answer})(sent)"), options=wire.options())
    await node.run(
        """
        apps.one.pause();
        for (let n = 0; n < 20; n++) apps.one.todo.create({ id: `t${n}`, text: 'x'.repeat(10_000) });
        apps.one.todo.create({ id: 'large', text: 'x'.repeat(100_000) });
        apps.one.resume();
        await apps.one.flush();
        """
    )
    assert len(await wire.stored()) == 20
    assert await node.run("return apps.one.rejected.map(({ changes }) => changes[0].id)") == ["large"]


@pytest.mark.parametrize("status", [400, 403, 404, 500])
async def test_an_answer_that_is_not_the_servers_refuses_nothing(node: Node, wire: Wire, status: int):
    page = f"new Response('<html>', {{ status: {status} }})"
    answer = f"(sent) => sent.length < 3 ? {page} : undefined"
    await node.run(ANSWERED.replace("answer(sent)", f"({answer})(sent)"), options=wire.options())
    await node.run("await apps.one.todo.create({ id: 'a' }).synced")
    assert await wire.stored() == {"todo/a": {}}
    assert await node.run("return apps.one.rejected") == []


async def test_a_change_is_stamped_with_the_servers_time(node: Node, wire: Wire):
    await node.run(
        """
        kinds.now = Date.now;
        Date.now = () => kinds.now() + 3_600_000;
        open('one', options);
        await apps.one.firstSync;
        """,
        options=wire.options(),
    )
    await node.run("await apps.one.todo.create({ id: 'a' }).synced; Date.now = kinds.now")
    async with wire.client() as client:
        [stored] = await client.pull_all()
    assert abs(stored.client_timestamp.ToMilliseconds() - now_ms()) < 30_000


async def test_after_stop_nothing_is_written(node: Node, wire: Wire):
    await node.run("open('one', options); await apps.one.firstSync", options=wire.options())
    await node.run("await apps.one.stop()")
    with pytest.raises(ScriptFailed) as failed:
        await node.run("await apps.one.todo.create({ id: 'a' })")
    assert failed.value.code == "STOPPED"


async def test_an_app_that_never_gives_a_token_can_be_stopped(node: Node, wire: Wire):
    never = "open('one', { ...options, user: 'ada' }); tokens.one = new Promise(() => undefined)"
    await node.run(never, options=wire.options())
    await node.run("await apps.one.todo.create({ id: 'a' }); await apps.one.stop()")
