"""Two devices change the same: each member as one of them made it, or as the app decides."""

from typing import Any

import pytest

from clients.typescript.conftest import Wire
from clients.typescript.device import Node

BOTH_HAVE = """
    open('one', options); open('two', { ...options, ...more });
    await apps.one.todo.create({ id: 'a', title: 'Milk', done: false }).synced;
    await until(() => apps.two.todo.get('a'), 'two');
    apps.two.pause();
"""
CATCH_UP = """
    apps.two.resume();
    await apps.two.flush();
    await until(() => same(shown('one'), shown('two')), 'one');
    return [shown('two')['todo/a'] ?? null, heard.two.conflict];
    function same(one, other) { return JSON.stringify(sorted(one)) === JSON.stringify(sorted(other)); }
    function sorted(all) {
      return Object.entries(all).sort().map(([key, data]) => [key, Object.entries(data).sort()]);
    }
"""


async def met(node: Node, wire: Wire, theirs: str, mine: str, **more: Any) -> tuple[Any, list[Any]]:
    """Change one entity on two devices; returns what it became on both, and the conflicts that were told."""
    await node.run(BOTH_HAVE, options=wire.options(), more=more)
    await node.run(f"await apps.one.todo.{theirs}.synced; await apps.two.todo.{mine};")
    became, conflicts = await node.run(CATCH_UP)
    stored = (await wire.stored()).get("todo/a")
    assert stored == became
    return became, conflicts


async def test_each_members_change_is_kept(node: Node, wire: Wire):
    became, [conflict] = await met(node, wire, "update('a', { title: 'Oat milk' })", "update('a', { done: true })")
    assert became == {"title": "Oat milk", "done": True}
    assert conflict == {
        "type": "todo",
        "id": "a",
        "base": {"title": "Milk", "done": False},
        "mine": {"title": "Milk", "done": True},
        "theirs": {"title": "Oat milk", "done": False},
        "result": became,
    }


async def test_of_one_member_theirs_is_kept_and_mine_is_told(node: Node, wire: Wire):
    became, [conflict] = await met(node, wire, "update('a', { title: 'Oat' })", "update('a', { title: 'Soy' })")
    assert became == {"title": "Oat", "done": False}
    assert conflict["mine"]["title"] == "Soy"


@pytest.mark.parametrize(
    ("theirs", "mine", "is_kept"),
    [
        ("delete('a')", "update('a', { done: true })", False),
        ("update('a', { done: true })", "delete('a')", True),
    ],
)
async def test_of_a_change_and_a_deletion_theirs_is_kept(node: Node, wire: Wire, theirs: str, mine: str, is_kept: bool):
    became, [conflict] = await met(node, wire, theirs, mine)
    assert (became is not None) is is_kept
    assert conflict["result"] == became


async def test_what_both_made_alike_is_no_conflict(node: Node, wire: Wire):
    became, conflicts = await met(node, wire, "update('a', { done: true })", "update('a', { done: true })")
    assert (became, conflicts) == ({"title": "Milk", "done": True}, [])


@pytest.mark.parametrize(
    ("resolution", "became"),
    [
        ("client.keep()", {"title": "Soy", "done": False}),
        ("conflict.theirs", {"title": "Oat", "done": False}),
        ("({ ...conflict.theirs, title: `${conflict.theirs.title}/${conflict.mine.title}` })", {"title": "Oat/Soy"}),
        ("Promise.resolve({ title: 'other' })", {"title": "other"}),
        ("null", None),
    ],
)
async def test_the_app_decides(node: Node, wire: Wire, resolution: str, became: dict[str, Any] | None):
    await node.run(
        BOTH_HAVE.replace("...more", f"conflict: (conflict) => {resolution}"),
        options=wire.options(),
    )
    await node.run(
        """
        await apps.one.todo.update('a', { title: 'Oat' }).synced;
        await apps.two.todo.update('a', { title: 'Soy' });
        """
    )
    got, [_] = await node.run(CATCH_UP)
    assert (got and got["title"]) == (became and became["title"])
    assert (await wire.stored()).get("todo/a") == got


async def test_what_is_written_while_the_app_decides_stays_on_top(node: Node, wire: Wire):
    await node.run(
        BOTH_HAVE.replace(
            "...more",
            """conflict: async ({ theirs }) => {
                await apps.two.todo.update('a', { note: 'meanwhile' });
                return theirs;
            }""",
        ),
        options=wire.options(),
    )
    await node.run(
        """
        await apps.one.todo.update('a', { title: 'Oat' }).synced;
        await apps.two.todo.update('a', { title: 'Soy' });
        """
    )
    got, [_] = await node.run(CATCH_UP)
    assert got == {"title": "Oat", "done": False, "note": "meanwhile"}


async def test_a_create_of_what_is_there_meets_it(node: Node, wire: Wire):
    await node.run(
        """
        open('one', options); open('two', options);
        await Promise.all([apps.one.firstSync, apps.two.firstSync]);
        apps.two.pause();
        await apps.two.todo.create({ id: 'a', title: 'mine', by: 'two' });
        await apps.one.todo.create({ id: 'a', title: 'theirs' }).synced;
        """,
        options=wire.options(),
    )
    got, [conflict] = await node.run(CATCH_UP)
    assert conflict["base"] is None
    assert got == {"title": "theirs", "by": "two"}


async def test_an_edit_on_top_of_what_is_being_pushed_is_no_conflict(node: Node, wire: Wire):
    await node.run("open('one', options); await apps.one.firstSync", options=wire.options())
    await node.run(
        """
        await apps.one.todo.create({ id: 'a', n: 0 });
        for (let n = 1; n <= 50; n++) await apps.one.todo.update('a', { n });
        await apps.one.flush();
        """
    )
    assert await node.run("return heard.one.conflict") == []
    assert await wire.stored() == {"todo/a": {"n": 50}}


async def test_what_is_changed_elsewhere_between_two_pushes_of_ours_is_a_conflict(node: Node, wire: Wire):
    held = """fetch: async (url, init) => {
        const answer = await fetch(url, init);
        if (init.method === 'POST' && !kinds.held.done) {
          await apps.two.todo.update('a', { title: 'Soy' });
          await apps.one.todo.update('a', { title: 'Oat' }).synced;
          await until(() => kinds.held.read);
        }
        return answer;
    }"""
    await node.run(
        "kinds.held = { done: true, read: false };" + BOTH_HAVE.replace("...more", held), options=wire.options()
    )
    await node.run(
        """
        apps.two.resume();
        await until(() => status('two').phase === 'live');
        kinds.held.done = false;
        apps.two.todo.update('a', { title: 'Rice' });
        await until(() => apps.one.todo.get('a').title === 'Oat' && apps.two.todo.get('a').title === 'Soy');
        await apps.one.note.create({ id: 'after' }).synced;
        await until(() => apps.two.note.get('after'));  // so the first device's change has been read here, too
        kinds.held = { done: true, read: true };
        """
    )
    got, [conflict] = await node.run(CATCH_UP)
    assert conflict["base"]["title"] == "Rice"
    assert (conflict["mine"]["title"], conflict["theirs"]["title"]) == ("Soy", "Oat")
    assert got["title"] == "Oat"


async def test_a_batch_loses_no_more_than_what_was_changed_elsewhere(node: Node, wire: Wire):
    await node.run(BOTH_HAVE, options=wire.options(), more={})
    await node.run(
        """
        await apps.one.todo.update('a', { title: 'Oat' }).synced;
        await apps.two.batch((tx) => { tx.todo.update('a', { title: 'Soy' }); tx.note.create({ id: 'n', of: 'a' }); });
        """
    )
    got, [_] = await node.run(CATCH_UP)
    assert got["title"] == "Oat"
    assert (await wire.stored())["note/n"] == {"of": "a"}
