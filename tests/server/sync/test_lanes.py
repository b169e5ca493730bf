"""What goes into a group: of every project in turn, as much as there is room for, each in its order."""

import asyncio

from syncline_server.sync.changes import Push
from syncline_server.sync.lanes import MAX_GROUP_ITEMS, Group, Lanes, Waiting
from values import PHONE


def waiting(project: int, user: str = "ada", since: float = 0, **values: int) -> Waiting:
    amounts = {"changes": 1, "size_bytes": 1, **values}
    future = asyncio.get_running_loop().create_future()
    return Waiting(Push(project, user, PHONE, True, ()), since=since, future=future, **amounts)


def lanes(*entered: Waiting) -> Lanes:
    made = Lanes()
    for one in entered:
        made.enter(one)
    return made


def taken(group: Group) -> dict[int, int]:
    return {project: len(one) for project, one in group.items()}


async def test_a_group_takes_what_waits_of_all_projects():
    line = lanes(waiting(1), waiting(2), waiting(1))
    group, gone = line.take()
    assert (taken(group), gone) == ({1: 2, 2: 1}, [])
    assert (line.ready, line.in_groups, line.waiting) == (0, 3, 0)


async def test_a_project_is_in_one_group_at_a_time():
    line = lanes(waiting(1))
    group, _ = line.take()
    line.enter(waiting(1))
    line.enter(waiting(2))
    assert (line.ready, line.waiting) == (1, 2)
    other, _ = line.take()
    assert taken(other) == {2: 1}
    line.give_back(group)
    assert (line.ready, taken(line.take()[0])) == (1, {1: 1})


async def test_a_project_with_more_than_a_group_holds_stands_behind_the_others_next():
    line = lanes(*[waiting(1) for _ in range(2 * MAX_GROUP_ITEMS)], waiting(2))
    group, _ = line.take()
    assert taken(group) == {1: MAX_GROUP_ITEMS}
    line.give_back(group)
    assert list(taken(line.take()[0])) == [2, 1]


async def test_a_group_ends_by_changes_and_by_bytes_too():
    many = lanes(*[waiting(at, changes=1000) for at in range(5)])
    assert taken(many.take()[0]) == {0: 1, 1: 1}
    large = lanes(*[waiting(at, size_bytes=10 * 1024 * 1024) for at in range(5)])
    assert taken(large.take()[0]) == {0: 1, 1: 1}


async def test_whose_caller_has_left_is_not_served():
    left, stays = waiting(1), waiting(2)
    left.future.cancel()
    line = lanes(left, stays)
    group, gone = line.take()
    assert (taken(group), gone) == ({2: 1}, [left])
    assert (line.ready, line.waiting) == (0, 0)


async def test_what_has_waited_since_a_time_is_taken_of_some_projects_or_of_all():
    line = lanes(*[waiting(project, since=since) for project in (1, 2) for since in (1, 2, 3)])
    assert [one.item.project_id for one in line.take_before(1, [1])] == [1]
    assert len(line.take_before(2, None)) == 3
    assert line.ready == 2
    group, _ = line.take()
    line.enter(waiting(1, since=5))
    assert len(line.take_before(9, None)) == 1
    line.give_back(group)
    assert line.waiting == 0
