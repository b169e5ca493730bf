"""What RxDB makes of each refusal: it tells, and goes on as soon as it can."""

import pytest

from bridge.bridged import bridge_on
from clients.typescript.conftest import wired
from harness import change
from libraries.conftest import RxdbApps


async def test_a_token_that_has_expired_is_told_and_a_new_one_mends_it(apps: RxdbApps):
    await apps.open("one", headers=apps.headers("one", ttl=-60))
    await apps.run("await apps.one.docs.insert({ id: 'mine' })")
    await apps.run("await until(() => apps.one.errors.length)")
    if apps.client == "handlers":
        assert "The session token has expired" in (await apps.run("return apps.one.errors.join()"))
        await apps.run("apps.one.headers = headers", headers=apps.headers("one"))
    else:
        assert "unauthorized$" in await apps.run("return apps.one.told")
        await apps.run("apps.one.sync.setHeaders(headers)", headers=apps.headers("one"))
    await apps.until_shown({"mine": {}}, "one")
    async with apps.wire.client() as client:
        await client.push(change(entity_id="live", data={}))
    await apps.until_shown({"mine": {}, "live": {}}, "one")


async def test_a_collection_outside_the_scopes_is_told(apps: RxdbApps):
    await apps.open("one", headers=apps.headers("one", scope="note.read note.write"))
    await apps.run("await apps.one.docs.insert({ id: 'mine' }); await until(() => apps.one.errors.length)")
    if apps.client == "handlers":
        assert "may not use this entity type" in await apps.run("return apps.one.errors[0]")
        await apps.run("apps.one.headers = headers", headers=apps.headers("one"))
        await apps.until_shown({"mine": {}}, "one")
    else:
        await apps.run("await until(() => apps.one.sync.isStopped())")
        assert "forbidden$" in await apps.run("return apps.one.told")


async def test_a_schema_that_is_too_old_is_told(apps: RxdbApps):
    least = "todo=1"
    async with (
        bridge_on(apps.wire.server, rxdb_min_schema_versions=least) as address,
        wired(apps.wire.server, address) as wire,
    ):
        apps.wire = wire
        await apps.open("one", version=0)
        await apps.run("await until(() => apps.one.errors.length)")
        if apps.client == "handlers":
            assert "no longer served" in await apps.run("return apps.one.errors[0]")
        else:
            await apps.run("await until(() => apps.one.sync.isStopped())")
            assert "outdatedClient$" in await apps.run("return apps.one.told")


@pytest.mark.parametrize(
    ("document", "line"),
    [
        ({"id": "large", "title": "x" * 300_000}, "[0] (large) data: "),
        ({"id": "i" * 128, "title": "ä"}, ""),
    ],
)
async def test_a_document_that_is_refused_is_named_and_kept(apps: RxdbApps, document: dict[str, str], line: str):
    await apps.open("one")
    await apps.run("await apps.one.docs.insert(document)", document=document)
    if not line:
        await apps.run("await synced('one')")
        assert await apps.run("return apps.one.errors") == []
        return
    await apps.run("await until(() => apps.one.errors.length)")
    if apps.client == "handlers":
        assert line in await apps.run("return apps.one.errors[0]")
    shown = await apps.run("return shown('one')")
    assert document["id"] in shown, "it is never dropped silently"
    await apps.run("await (await apps.one.docs.findOne(id).exec()).incrementalPatch({ title: 'short' })", id="large")
    await apps.run("await close('one')")  # until then it tries the same again
    await apps.open("one")
    await apps.until_shown({"large": {"title": "short"}}, "one")


async def test_a_storage_that_validates_keeps_what_it_had_and_goes_on_when_the_document_is_mended(apps: RxdbApps):
    if apps.client != "handlers":
        pytest.skip("the same storage")
    await apps.open("one", validates=True)
    await apps.run("await apps.one.docs.insert({ id: 'mine', n: 1 })")
    await apps.until_shown({"mine": {"n": 1}}, "one")
    async with apps.wire.client() as client:
        await client.push(change(entity_id="broken", data={"n": "no number"}))
        await apps.run("await until(() => apps.one.errors.length)")
        assert await apps.run("return shown('one')") == {"mine": {"n": 1}}
        await client.push(change(entity_id="broken", data={"n": 2}))
    await apps.until_shown({"mine": {"n": 1}, "broken": {"n": 2}}, "one")


async def test_a_database_of_another_user_is_told_so(apps: RxdbApps):
    await apps.open("one")
    await apps.run("await apps.one.docs.insert({ id: 'a' }); await synced('one'); await close('one')")
    project = apps.wire.server.project
    token = project.token(f"{apps.wire.user}-2")
    headers = {"X-Api-Key": project.client_key, "Authorization": f"Bearer {token}", "X-Device-Id": "one"}
    await apps.open("one", headers=headers)
    await apps.run("await until(() => apps.one.errors.length)")
    if apps.client == "handlers":
        assert "not a token of this server for this user" in await apps.run("return apps.one.errors[0]")
