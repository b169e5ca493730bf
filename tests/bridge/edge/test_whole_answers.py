"""Head and body of an answer leave together, and neither waits for what does not come."""

import asyncio
from collections.abc import Iterable
from typing import Any

from bridge.edge.both_ways import request, way
from syncline_bridge.edge.whole_answers import HeadHolder


class Transport:
    """Keeps what is written by each call."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.written.append(b"".join(pieces))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def holder() -> tuple[HeadHolder, Transport]:
    transport: Any = Transport()
    return HeadHolder(transport, asyncio.get_running_loop()), transport


async def turn() -> None:
    """Let the loop take a turn."""
    taken = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(taken.set_result, None)
    await taken


async def test_a_head_leaves_with_its_body():
    answer, transport = holder()
    answer.write(b"head ")
    answer.write(b"body")
    answer.write(b"more")
    assert transport.written == [b"head body", b"more"]
    await turn()
    assert transport.written == [b"head body", b"more"]


async def test_a_head_without_a_body_leaves_at_the_next_turn():
    answer, transport = holder()
    answer.write(b"head")
    assert transport.written == []
    await turn()
    assert transport.written == [b"head"]
    answer.write(b"event")
    assert transport.written == [b"head", b"event"]


async def test_what_is_held_leaves_before_the_end():
    answer, transport = holder()
    answer.write(b"head")
    answer.close()
    assert (transport.written, answer.is_closing()) == ([b"head"], True)


async def test_nothing_is_written_to_what_has_ended():
    answer, transport = holder()
    answer.write(b"head")
    transport.close()
    await turn()
    assert transport.written == []


async def test_an_answer_is_one_piece_to_its_client():
    """Both ways, with a body and without one, on one connection."""
    asked = request("GET", "/v1/client/sync?entity_type=todo", "x-api-key: known").replace(
        b"connection: close\r\n", b""
    )
    async with way(short=True) as one:
        host, port = one.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for sent in (asked, asked, asked.replace(b"GET", b"HEAD"), asked.replace(b"host", b"if-none-match: *\r\nhost")):
            writer.write(sent)
            answer = await reader.read(1 << 16)
            head, separator, body = answer.partition(b"\r\n\r\n")
            has_body = not sent.startswith(b"HEAD") and head.startswith(b"HTTP/1.1 200 ")
            assert (separator, bool(body)) == (b"\r\n\r\n", has_body)
        writer.close()
        assert one.taken == [False, True, False, True]
