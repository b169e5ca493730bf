"""How the head of an answer leaves: with its body, since each write wakes the peer, and is dear for both."""

import asyncio
from typing import cast


class HeadHolder:
    """What one answer writes to in place of its transport: holds the first piece until the next comes.

    Or until the next turn of the loop: a stream that has nothing to say yet sends its head.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""
        self._is_first = True

    def write(self, data: bytes) -> None:
        """Write, the first piece a little later."""
        if self._is_first:
            self._is_first = False
            self._held = data
            self._loop.call_soon(self.flush)
        elif self._held:
            head, self._held = self._held, b""
            self._transport.writelines((head, data))
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            head, self._held = self._held, b""
            if not self._transport.is_closing():
                self._transport.write(head)

    def close(self) -> None:
        """Close the transport, after what is held."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether the transport is closing."""
        return self._transport.is_closing()

    def as_transport(self) -> asyncio.Transport:
        """Return it as what uvicorn takes it for: an answer writes, closes, and asks whether that has been done."""
        return cast("asyncio.Transport", self)
