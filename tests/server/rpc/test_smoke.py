"""What one client pushes, another pulls: the shortest use of the whole server."""

from harness import Server, change, ids, outcomes


async def test_what_one_client_pushes_another_pulls(server: Server):
    async with server.client(device="phone") as phone, server.client(device="laptop") as laptop:
        pushed = await phone.push(change("create", "a", {"n": 1}), change("create", "b", {"n": 2}))
        assert outcomes(pushed) == "aa"
        page = await laptop.pull("todo")
        assert ids(page.changes) == ["a", "b"]
        assert page.changes[0].data == b'{"n": 1}'
        again = await laptop.pull("todo", checkpoint_token=page.checkpoint_token)
        assert not again.changes
        assert again.checkpoint_token == page.checkpoint_token
