"""What a session token with a scope claim may read and write."""

import pytest

from bridge.bridged import Bridged
from bridge.dialects.mutation_sync.app import App, create, note, page_of, refusal

LINK = create("COLLECTION_BOOKMARK", collectionId="c", bookmarkId="b")
MUTATIONS = {
    "BOOKMARK": create("BOOKMARK", "b", type="page", key=1),
    "COLLECTION": create("COLLECTION", "c", name="c"),
    "COLLECTION_BOOKMARK": LINK,
    "NOTE": note(),
    "READING_SESSION": create("READING_SESSION", chapterNumber=1, verseNumber=1),
}
TABLE = [
    ("sync", []),
    ("sync bookmark", ["BOOKMARK"]),
    ("sync collection", ["COLLECTION"]),
    ("sync bookmark collection", ["BOOKMARK", "COLLECTION", "COLLECTION_BOOKMARK"]),
    ("sync note", ["NOTE"]),
    ("sync reading_session", ["READING_SESSION"]),
    ("sync bookmark collection note reading_session", list(MUTATIONS)),
    (None, list(MUTATIONS)),
]


@pytest.mark.parametrize(("scope", "covered"), TABLE)
async def test_get_leaves_out_what_the_token_may_not_see(
    bridged: Bridged, app: App, user: str, scope: str | None, covered: list[str]
) -> None:
    await app.pushed(*(mutation for name, mutation in MUTATIONS.items() if name != "COLLECTION_BOOKMARK"), LINK)
    response = await App(bridged, user, scope=scope).get()
    page = page_of(response)
    assert sorted(row["resource"] for row in page["mutations"]) == covered
    assert (page["total"], page["hasMore"]) == (len(covered), False)
    assert page["lastMutationAt"] == await app.head()
    assert response.headers["x-mutation-at"] == str(await app.head())


@pytest.mark.parametrize("resource", list(MUTATIONS))
@pytest.mark.parametrize(("scope", "covered"), TABLE)
async def test_post_of_what_the_token_may_not_write_is_403(
    bridged: Bridged, app: App, user: str, scope: str | None, covered: list[str], resource: str
) -> None:
    await app.pushed(MUTATIONS["COLLECTION"])
    response = await App(bridged, user, scope=scope).post(await app.head(), MUTATIONS[resource])
    if resource in covered:
        assert response.status_code == 200
    else:
        assert refusal(response)[:2] == (403, "forbidden")
        assert len(await app.rows()) == 1


@pytest.mark.parametrize("scope", ["", "bookmark", "syncing note"])
async def test_without_the_scope_sync_nothing_is_allowed(bridged: Bridged, user: str, scope: str) -> None:
    limited = App(bridged, user, scope=scope)
    assert refusal(await limited.get())[:2] == (403, "forbidden")
    assert refusal(await limited.post(-1, note()))[:2] == (403, "forbidden")


async def test_the_head_of_a_limited_token_is_still_everyones(bridged: Bridged, app: App, user: str) -> None:
    limited = App(bridged, user, scope="sync note")
    await app.pushed(create("COLLECTION", name="c"))
    assert await limited.head() == await app.head()
    assert (await limited.post(await app.head(), note())).status_code == 200
    assert refusal(await limited.post(-1, note()))[0] == 409
