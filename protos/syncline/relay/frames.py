"""How messages of the relay lie on a socket: each after its length in four bytes, big-endian. Standard library only."""

from collections.abc import Iterator
from typing import Final

_LENGTH_BYTES: Final = 4


class FrameTooLarge(ValueError):
    """The other side has sent a message that is larger than it may be."""


class Frames:
    """Cuts what comes from a socket into messages."""

    def __init__(self, max_bytes: int) -> None:
        """Take messages of at most so many bytes."""
        self._max_bytes = max_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the messages that are whole now; has to be read to its end. Raises FrameTooLarge."""
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _LENGTH_BYTES:
            begin = start + _LENGTH_BYTES
            length = int.from_bytes(buffer[start:begin], "big")
            if length > self._max_bytes:
                raise FrameTooLarge(f"a message of {length} bytes; {self._max_bytes} are the most")
            if len(buffer) < begin + length:
                break
            start = begin + length
            yield bytes(buffer[begin:start])
        del buffer[:start]


def framed(message: bytes) -> bytes:
    """Return a message as it is sent."""
    return len(message).to_bytes(_LENGTH_BYTES, "big") + message
