"""A key is looked up once for a crowd, known for a while, and the same for sessions and for tickets."""

import asyncio

import pytest

from syncline_server.identity import key_cache
from syncline_server.identity.authenticator import Authenticator
from syncline_server.identity.credentials import Credentials
from syncline_server.identity.devices import Devices
from syncline_server.identity.key_cache import KeyCache
from syncline_server.identity.projects import KeyKind, Project, ProjectKey, hash_key, new_key
from syncline_server.identity.session_tokens import issue_token
from syncline_server.identity.tickets import Tickets
from syncline_server.sync.errors import KeyInvalid, Overloaded, SessionInvalid, StoreUnavailable
from waiting import turn

SECRET = "s" * 64
MADE = new_key(KeyKind.CLIENT)
KEY = ProjectKey(MADE.id, Project(1, "p", (SECRET,), 0), KeyKind.CLIENT, hash_key(MADE.text))


class Registry:
    """Knows one key, and counts who asks."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.failing = False

    async def find_key(self, key_id: str) -> ProjectKey | None:
        self.asked.append(key_id)
        await self.answers.wait()
        if self.failing:
            raise StoreUnavailable
        return KEY if key_id == KEY.id else None

    async def find_project(self, name: str) -> Project | None:
        raise NotImplementedError


class Unused:
    """Takes every ticket for one that was not used."""

    async def use(self, project_id: int, ticket_id: str, expires_at_us: int) -> bool:
        return True


async def test_a_crowd_looks_a_key_up_once():
    registry = Registry()
    registry.answers.clear()
    keys = KeyCache(registry)
    async with asyncio.TaskGroup() as crowd:
        found = [crowd.create_task(keys.of_text(MADE.text)) for _ in range(50)]
        crowd.create_task(asyncio.to_thread(lambda: None)).add_done_callback(lambda _: registry.answers.set())
    assert {task.result().id for task in found} == {KEY.id}
    assert registry.asked == [KEY.id]


async def test_a_session_and_its_ticket_look_their_key_up_once():
    registry = Registry()
    keys = KeyCache(registry)
    tickets = Tickets(keys, Unused())
    token = issue_token(SECRET, "ada", ttl_seconds=60)
    principal = await Authenticator(keys, Devices(0)).authenticate(Credentials(MADE.text, f"Bearer {token}", "", ""))
    redeemed = await tickets.redeem(tickets.issue(principal, ()).text)
    assert (redeemed.user_id, redeemed.session) == (principal.user_id, principal.session)
    assert registry.asked == [KEY.id]


async def test_a_ticket_of_a_key_that_is_withdrawn_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(key_cache, "CACHE_SECONDS", 0)
    registry = Registry()
    tickets = Tickets(KeyCache(registry), Unused())
    token = issue_token(SECRET, "ada", ttl_seconds=60)
    principal = await Authenticator(KeyCache(registry), Devices(0)).authenticate(
        Credentials(MADE.text, f"Bearer {token}", "", "")
    )
    ticket = tickets.issue(principal, ()).text
    await tickets.redeem(ticket)
    monkeypatch.setattr(registry, "find_key", _nothing)
    with pytest.raises(SessionInvalid):
        await tickets.redeem(ticket)


async def test_a_key_that_is_not_known_is_asked_for_again_after_some_seconds(monkeypatch: pytest.MonkeyPatch):
    registry = Registry()
    unknown = new_key(KeyKind.CLIENT)
    for seconds, asked in ((key_cache.REFUSAL_SECONDS, 1), (0, 2)):
        monkeypatch.setattr(key_cache, "REFUSAL_SECONDS", seconds)
        keys = KeyCache(registry)
        registry.asked.clear()
        for _ in range(2):
            with pytest.raises(KeyInvalid):
                await keys.of_text(unknown.text)
        assert registry.asked == [unknown.id] * asked


async def test_keys_of_strangers_are_looked_up_a_few_at_a_time_and_nobody_elses_wait_for_them():
    registry = Registry()
    keys = KeyCache(registry)
    await keys.of_text(MADE.text)
    registry.answers.clear()
    keys._keys.clear()  # as after fifteen seconds
    async with asyncio.TaskGroup() as crowd:
        strangers = [crowd.create_task(keys.of_id(new_key(KeyKind.CLIENT).id)) for _ in range(100)]
        await turn()
        await turn()
        assert len(registry.asked) == 1 + 2
        known = crowd.create_task(keys.of_text(MADE.text))
        await turn()
        await turn()
        assert registry.asked[-1] == KEY.id
        with pytest.raises(Overloaded):
            await keys.of_id(new_key(KeyKind.CLIENT).id)
        registry.answers.set()
    assert known.result().id == KEY.id
    assert not any(stranger.result() for stranger in strangers)


@pytest.mark.parametrize(
    "text",
    ["", "sl", "sl_client__x", "no_client_key_at_all", MADE.text[:-1], MADE.text + "0"],
    ids=["nothing", "a beginning", "no id", "another form", "one character less", "one more"],
)
async def test_a_text_that_is_not_the_key_is_refused(text: str):
    with pytest.raises(KeyInvalid):
        await KeyCache(Registry()).of_text(text)


async def test_a_failed_lookup_is_not_kept():
    registry = Registry()
    registry.failing = True
    keys = KeyCache(registry)
    with pytest.raises(StoreUnavailable):
        await keys.of_text(MADE.text)
    registry.failing = False
    assert (await keys.of_text(MADE.text)).id == KEY.id


async def _nothing(key_id: str) -> None:
    return None
