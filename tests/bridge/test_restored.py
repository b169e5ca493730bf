"""A restored copy behind both dialects: who has read what is lost is given everything, and nobody else is."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bridge.bridged import Bridged, bridged_on
from bridge.dialects.checkpoint_sync import app as checkpoint_sync
from bridge.dialects.mutation_sync import app as mutation_sync
from harness import Project, change, ids, make_project, outcomes, refused, settings_for, started_server
from syncline_server.settings import ServerSettings

LOST = 5
NEW = 8
"""More than were lost, so that the new head is past theirs."""


@dataclass
class Backed:
    """A database on SQLite with a backup; served where `serving`."""

    file: Path
    settings: ServerSettings
    project: Project

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Bridged]:
        async with started_server(self.settings, self.project) as server, bridged_on(server) as bridged:
            yield bridged

    def back_up(self) -> None:
        shutil.copy(self.file, self.file.with_suffix(".backup"))

    def restore(self) -> None:
        shutil.copy(self.file.with_suffix(".backup"), self.file)


@pytest.fixture
async def backed(tmp_path: Path) -> Backed:
    file = tmp_path / "syncline.db"
    settings = settings_for(f"sqlite:///{file}")
    return Backed(file, settings, await make_project(settings))


async def test_native_clients_past_the_fork_are_told_and_the_others_go_on(backed: Backed):
    async with backed.serving() as bridged, bridged.server.client("ada", device="phone") as ada:
        pushed = await ada.push(change("create", "kept"))
        kept = (await ada.pull(checkpoint_token=pushed.checkpoint_token)).checkpoint_token
    backed.back_up()
    async with backed.serving() as bridged, bridged.server.client("ada", device="phone") as ada:
        assert (await ada.pull(checkpoint_token=kept)).checkpoint_token == kept, "a start expires nobody"
        lost = kept
        for at in range(LOST):
            lost = (await ada.push(change("create", f"lost{at}"), checkpoint_token=lost)).checkpoint_token
    backed.restore()
    async with backed.serving() as bridged, bridged.server.client("ada", device="phone") as ada:
        assert (await refused(ada.pull(checkpoint_token=lost))).reason == "CHECKPOINT_EXPIRED"
        assert (await ada.pull(checkpoint_token=kept)).checkpoint_token == kept
        async with bridged.server.client("ada", device="tablet") as tablet:
            for at in range(NEW):
                await tablet.push(change("create", f"new{at}"))
        for call in (ada.pull(checkpoint_token=lost), ada.stream(checkpoint_token=lost).read()):
            told = await refused(call)
            assert (told.code, told.reason) == ("OUT_OF_RANGE", "CHECKPOINT_EXPIRED")
        pushed = await ada.push(change("create", "mine"), checkpoint_token=lost)
        assert outcomes(pushed) == "a", "the changes of a push are good, only its token shows nothing"
        told = await refused(ada.pull(checkpoint_token=pushed.checkpoint_token))
        assert told.reason == "CHECKPOINT_EXPIRED", "the next pull has to say that it is lost"
        everything = ["kept", *[f"new{at}" for at in range(NEW)], "mine"]
        assert ids((await ada.pull(checkpoint_token=kept)).changes) == everything[1:]
        assert ids((await ada.pull(checkpoint_token=lost, reset_when_expired=True)).changes) == everything


async def test_checkpoint_sync_past_the_fork_starts_over_and_is_told_so(backed: Backed):
    async with backed.serving() as bridged:
        app = checkpoint_sync.App(bridged, "ada", device="phone")
        kept = (await app.push(checkpoint_sync.edit(entity_id="kept")))["checkpoint_token"]
    backed.back_up()
    async with backed.serving() as bridged:
        app = checkpoint_sync.App(bridged, "ada", device="phone")
        for at in range(LOST):
            await app.push(checkpoint_sync.edit(entity_id=f"lost{at}"))
        lost = (await app.pull(kept))["checkpoint_token"]
    backed.restore()
    async with backed.serving() as bridged:
        app = checkpoint_sync.App(bridged, "ada", device="phone")
        for at in range(NEW):
            await app.push(checkpoint_sync.edit(entity_id=f"new{at}"))
        new = [f"new{at}" for at in range(NEW)]
        again, going_on = await app.pull(lost), await app.pull(kept)
        assert (again["reset"], [one["entity_id"] for one in again["changes"]]) == (True, ["kept", *new])
        assert ("reset" in going_on, [one["entity_id"] for one in going_on["changes"]]) == (False, new)


async def test_mutation_sync_past_the_fork_gets_everything_and_cannot_push_before(backed: Backed):
    async with backed.serving() as bridged:
        app = mutation_sync.App(bridged, "ada")
        await app.pushed(mutation_sync.note())
        kept = await app.head()
    backed.back_up()
    async with backed.serving() as bridged:
        app = mutation_sync.App(bridged, "ada")
        between = [(await app.pushed(mutation_sync.note()))[0]["timestamp"] for _ in range(LOST)]
    backed.restore()
    async with backed.serving() as bridged:
        app = mutation_sync.App(bridged, "ada")
        for lost in between:
            assert len(await app.pulled(lost)) == 1, "before anything is committed"
            assert (await app.post(lost, mutation_sync.note())).status_code == 409
        assert await app.pulled(kept) == []
        for _ in range(NEW):
            await app.pushed(mutation_sync.note())
        for lost in between:
            assert len(await app.pulled(lost)) == NEW + 1
            assert (await app.post(lost, mutation_sync.note())).status_code == 409
        assert len(await app.pulled(kept)) == NEW
