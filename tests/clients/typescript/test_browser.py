"""A real browser: what is kept outlives reloads, tabs share one store, and one of them syncs."""

import asyncio
import signal
from pathlib import Path

import pytest

from clients.typescript.conftest import Wire
from clients.typescript.device import Browser, Page, Profile
from harness import change, make_project, settings_for
from ports import free_address
from system.processes import commands_in
from waiting import until


def kept(wire: Wire, **more: object) -> dict[str, object]:
    return wire.options(storage={"kind": "indexedDb", "name": "app"}, **more)


@pytest.fixture
async def profile(browser: Browser) -> Profile:
    return await browser.profile()


async def opened(profile: Profile, wire: Wire, **more: object) -> Page:
    page = await profile.page()
    await page.run("open('one', options); await until(() => apps.one.user)", options=kept(wire, **more))
    return page


async def leads(page: Page) -> bool:
    return bool(await page.run("return status('one').leader"))


async def test_what_was_written_offline_survives_a_reload_and_arrives(profile: Profile, wire: Wire):
    page = await opened(profile, wire)
    await page.run("await apps.one.firstSync; await apps.one.todo.create({ id: 'synced' }).synced")
    wire.proxy.black_hole()
    wire.proxy.cut()
    await page.run("for (let n = 0; n < 20; n++) await apps.one.todo.create({ id: `e${n}`, n })")
    await page.reload()
    await page.run("open('one', options); await until(() => apps.one.todo.get('synced'))", options=kept(wire))
    assert await page.run("return status('one').pending") == 20
    wire.proxy.heal()
    await page.run("await apps.one.flush()")
    assert len(await wire.stored()) == 21


async def test_one_tab_leads_and_all_show_the_same(profile: Profile, wire: Wire):
    first = await opened(profile, wire)
    await until(lambda: leads(first))
    second = await opened(profile, wire)
    assert await second.run("await until(() => status('one').phase === 'live'); return status('one').leader") is False
    await first.run("await apps.one.todo.create({ id: 'of the first' })")
    await second.run("await until(() => apps.one.todo.get('of the first')); await apps.one.flush()")
    await second.run("await apps.one.todo.create({ id: 'of the second' }).synced")
    await first.run("await until(() => apps.one.todo.get('of the second'))")
    assert set(await wire.stored()) == {"todo/of the first", "todo/of the second"}
    accepted = wire.proxy.accepted
    await second.run("await apps.one.todo.update('of the second', { n: 1 }).synced")
    assert wire.proxy.accepted <= accepted + 1, "the second tab has no stream of its own"


@pytest.mark.parametrize("has_locks", [True, False])
async def test_when_the_leader_goes_another_leads_soon_and_sends_what_waits(
    profile: Profile, wire: Wire, has_locks: bool
):
    if not has_locks:
        await profile.context.add_init_script("Object.defineProperty(navigator, 'locks', { value: undefined })")
    first = await opened(profile, wire)
    await until(lambda: leads(first))
    second = await opened(profile, wire)
    await second.run("await until(() => status('one').phase === 'live')")
    wire.proxy.black_hole()
    await first.run("await apps.one.todo.create({ id: 'waits' })")
    await first.close()
    wire.proxy.forget()
    wire.proxy.reset()
    await second.run("await apps.one.flush()")
    assert await leads(second)
    assert set(await wire.stored()) == {"todo/waits"}


LOOKS = """
    Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
"""


async def test_a_hidden_tab_lets_others_lead_and_catches_up_when_it_is_shown(profile: Profile, wire: Wire):
    pace = {"firstRetryMs": 20, "mostRetryMs": 300, "hiddenMs": 30}
    first = await opened(profile, wire, pace=pace)
    await until(lambda: leads(first))
    second = await opened(profile, wire, pace=pace)
    await first.run(LOOKS, state="hidden")
    await until(lambda: leads(second))
    await second.run(LOOKS, state="hidden")
    await second.run("await until(() => !apps.one.status.leader)")
    await second.run("await apps.one.todo.create({ id: 'made while hidden' }).synced")
    await second.run("await until(() => !apps.one.status.leader)")
    async with wire.client() as client:
        await client.push(change(entity_id="news", data={}))
    await first.run(LOOKS, state="visible")
    await first.run("await until(() => apps.one.todo.get('news') && apps.one.todo.get('made while hidden'))")
    assert await leads(first)


async def test_without_streams_of_fetch_changes_come_live_all_the_same(profile: Profile, wire: Wire):
    await profile.context.add_init_script("delete Response.prototype.body")  # as in React Native
    page = await opened(profile, wire, pace={"firstRetryMs": 20, "mostRetryMs": 300, "pollMs": 600_000})
    await page.run("await apps.one.firstSync")
    async with wire.client() as client:
        for n in range(3):
            await client.push(change(entity_id=f"e{n}", data={"text": "ä😀"}))
            await page.run("await until(() => apps.one.todo.get(id)?.text === 'ä😀', 'one')", id=f"e{n}")
            wire.proxy.reset() if n else wire.proxy.cut()
    await page.run("await until(() => status('one').phase === 'live', 'one'); apps.one.pause()")
    await page.run("await until(() => !apps.one.status.leader)")


async def test_a_change_that_is_refused_is_told_in_the_tab_that_made_it(profile: Profile, wire: Wire):
    first = await opened(profile, wire)
    await until(lambda: leads(first))
    second = await opened(profile, wire)
    await second.run("await until(() => status('one').phase === 'live')")
    code = await second.run(
        """
        const large = apps.one.todo.create({ text: 'x'.repeat(300_000) });
        return large.synced.then(() => 'synced', (error) => error.code);
        """
    )
    assert code == "REFUSED"
    await until(lambda: second.run("return heard.one.rejected.length === 1 && apps.one.rejected.length === 1"))
    assert await second.run("return status('one').pending") == 0


async def test_signing_out_in_one_tab_signs_out_all(profile: Profile, wire: Wire):
    first, second = await opened(profile, wire), await opened(profile, wire)
    await first.run("await apps.one.todo.create({ id: 'mine' }).synced")
    await second.run("await until(() => apps.one.todo.get('mine'))")
    await second.run("await apps.one.signOut()")
    await first.run("await until(() => heard.one.signedOut.length && !apps.one.todo.get('mine'))")
    await first.reload()
    options = kept(wire, user=wire.user)
    await first.run("open('one', { ...options, url: 'http://127.0.0.1:9' })", options=options)
    await first.run("await until(() => apps.one.user)")
    assert await first.run("return shown('one')") == {}


async def test_where_nothing_can_be_kept_it_says_so_and_goes_on_in_memory(profile: Profile, wire: Wire):
    await profile.context.add_init_script("indexedDB.open = () => { throw new DOMException('no', 'SecurityError'); }")
    page = await opened(profile, wire)
    await page.run("await apps.one.todo.create({ id: 'a' }).synced")
    assert await wire.stored() == {"todo/a": {}}
    assert await page.run("return status('one').error") == "STORAGE"


async def test_a_full_device_says_so_and_loses_nothing(profile: Profile, wire: Wire):
    page = await opened(profile, wire)
    await page.run(
        """
        await apps.one.firstSync;
        IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); };
        await apps.one.todo.create({ id: 'a' });
        await apps.one.todo.create({ id: 'b' }).synced;
        """
    )
    assert set(await wire.stored()) == {"todo/a", "todo/b"}
    assert await page.run("return status('one').error") == "STORAGE"
    assert set(await page.run("return shown('one')")) == {"todo/a", "todo/b"}


async def test_two_people_converge_over_a_server_that_is_killed(browser: Browser, tmp_path: Path):
    settings = settings_for(f"sqlite:///{tmp_path / 'syncline.db'}")
    project = await make_project(settings)
    grpc, http = free_address(), free_address()
    serve = (
        "serve",
        "--data-dir",
        str(tmp_path),
        "--grpc-address",
        grpc,
        "--http-address",
        http,
        "--cors-origins",
        "*",
    )
    commands = commands_in(tmp_path)
    options = {"url": f"http://{http}", "key": project.client_key, "token": project.token("ada")}
    pages = [await (await browser.profile()).page() for _ in range(2)]
    for page in pages:
        await page.run("open('one', options)", options=options)
    writing = "for (let n = 0; n < 150; n++) await apps.one.todo.create({ id: `${name}${n}`, n })"
    for name in ("early", "late"):
        async with commands.running(*serve) as process:
            await process.listens(http)
            writers = [page.run(writing, name=f"{name}-{at}-") for at, page in enumerate(pages)]
            await asyncio.gather(*writers)
            await process.kill()
    async with commands.running(*serve) as process:
        for page in pages:
            await page.run("await apps.one.flush(); await until(() => apps.one.todo.list().length === 600)")
        await process.ended(signal.SIGTERM)
