"""A reader is answered while nothing can be written, unless its answer depends on what it writes."""

import asyncio

from harness import change, ids, refused, settings_for, started_server
from storage import nothing_can_be_written


async def test_who_shows_more_is_answered_while_nothing_can_be_written(database_url: str):
    async with (
        started_server(settings_for(database_url)) as server,
        server.client(device="writer") as writer,
        server.client(device="reader") as reader,
    ):
        for at in range(3):
            await writer.push(change("create", f"e{at}"))
        first = await reader.pull("todo", page_size=1)
        second = await reader.pull("todo", page_size=1, checkpoint_token=first.checkpoint_token)
        async with nothing_can_be_written(database_url):
            async with asyncio.timeout(60):
                page = await reader.pull("todo", checkpoint_token=second.checkpoint_token)
                assert ids(page.changes) == ["e2"]
                stream = reader.stream("todo", checkpoint_token=second.checkpoint_token)
                assert ids((await stream.read()).changes) == ["e2"]
                last = await reader.pull("todo", page_number=1, checkpoint_token=second.checkpoint_token)
            assert ids(last.changes) == ["e2"], "no page comes after it"
            less = await refused(reader.pull("todo", after_revision=0))
            assert less.reason == "STORE_UNAVAILABLE", "a push would skip what it is about to read again"
        assert ids((await reader.pull("todo", after_revision=0)).changes) == ["e0", "e1", "e2"]
