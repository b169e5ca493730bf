"""What is in the audit stays there, and a key of checkpoint tokens takes over without losing a reader."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from syncline_server.operate import checkpoint_keys, looking
from syncline_server.store import checkpoint_secrets
from syncline_server.store.engine import Engines
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.registry import SqlRegistry
from syncline_server.sync.checkpoint import CheckpointCodec
from syncline_server.sync.circle import Checkpoint


@pytest.mark.parametrize("statement", ["UPDATE audit SET by = 'nobody'", "DELETE FROM audit"])
async def test_an_act_is_neither_changed_nor_removed(engines: Engines, statement: str):
    await SqlRegistry(engines, "ada").create("app")
    with pytest.raises(DBAPIError, match="only appended to"):
        async with engines.writing.begin() as connection:
            await connection.execute(text(statement))
    (act,) = await looking.audit(EngineCatalogue(engines), "", looking.NEWEST, 10)
    assert (act.by, act.act, act.project) == ("ada", "project.create", "app")


async def test_an_act_that_failed_is_not_in_the_audit(engines: Engines):
    registry = SqlRegistry(engines, "ada")
    await registry.create("app")
    with pytest.raises(Exception, match="app"):
        await registry.create("app")
    assert len(await looking.audit(EngineCatalogue(engines), "", looking.NEWEST, 10)) == 1


async def test_a_new_key_is_read_at_once_and_signs_once_all_servers_know_it(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
):
    before = CheckpointCodec(await checkpoint_secrets.in_order(engines))
    (old,) = await checkpoint_secrets.in_order(engines)
    made = await checkpoint_keys.rotate(engines, "ada")
    found = await checkpoint_secrets.in_order(engines)
    assert list(found) == [old, made]
    monkeypatch.setattr(checkpoint_secrets, "SIGNS_AFTER_SECONDS", 0)
    found = await checkpoint_secrets.in_order(engines)
    assert list(found) == [made, old]
    token = before.encode(before.scope_tag(1, "ada"), Checkpoint(7, 5, 5))
    before.use(found)
    assert before.decode(before.scope_tag(1, "ada"), token) == Checkpoint(7, 5, 5)
    assert before.encode(before.scope_tag(1, "ada"), Checkpoint(7, 5, 5)) != token


async def test_only_the_newest_sixteen_keys_are_kept(engines: Engines):
    for _ in range(20):
        newest = await checkpoint_keys.rotate(engines, "ada")
    found = await checkpoint_secrets.in_order(engines)
    assert len(found) == 16
    assert newest in found
