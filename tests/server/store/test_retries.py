"""Which reads the store tries again by itself: those for which the next try is another."""

from collections.abc import Callable

import pytest

from storage import Log
from syncline_server.store.engine import Connections
from syncline_server.store.errors import ConnectionLost
from syncline_server.store.histories import EpochMoved
from syncline_server.sync.errors import StoreUnavailable


@pytest.fixture
def failing(log: Log, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Have the next reads of the log fail one after the other; returns what is run."""
    read = log.store._rows  # type: ignore[attr-defined]  # what stands for the database

    def fail_with(*errors: Exception) -> list[str]:
        left, ran = list(errors), []

        async def fail(statement: str, parameters: tuple[object, ...]) -> object:
            ran.append(statement)
            if left:
                raise left.pop(0)
            return await read(statement, parameters)

        monkeypatch.setattr(log.store, "_rows", fail)
        return ran

    return fail_with


@pytest.mark.parametrize("error", [EpochMoved(), ConnectionLost()], ids=["a new epoch", "an old connection"])
async def test_a_page_is_read_again_after(log: Log, failing: Callable[..., list[str]], error: Exception):
    await log.write(log.version("e1", 10))
    ran = failing(error)
    assert (await log.page()).count == 1
    assert ran[0] == ran[1]


@pytest.mark.parametrize(
    ("error", "tries"),
    [(EpochMoved(), 2), (ConnectionLost(), Connections().reading + 1)],
    ids=["a new epoch", "connections"],
)
async def test_a_page_is_read_again_once_or_for_each_connection_of_the_pool(
    log: Log, failing: Callable[..., list[str]], error: Exception, tries: int
):
    ran = failing(*[error] * tries)
    with pytest.raises(StoreUnavailable):
        await log.page()
    assert len(ran) == tries


@pytest.mark.parametrize("error", [TimeoutError(), OSError("disk")], ids=["too long", "no answer"])
async def test_trouble_that_stays_is_told_at_once(log: Log, failing: Callable[..., list[str]], error: Exception):
    ran = failing(error)
    with pytest.raises(StoreUnavailable):
        await log.page()
    assert len(ran) == 1


async def test_what_is_new_in_a_project_is_read_again_too(log: Log, failing: Callable[..., list[str]]):
    await log.write(log.version("e1", 10))
    failing(EpochMoved())
    assert len((await log.store.recent(log.project, 0, 10, 1_000)).versions) == 1
