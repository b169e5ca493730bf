"""The streams over which nobody has been let in yet: anybody can open one, so there are few of them."""

from typing import Final

from syncline_server.rpc.relay.stream import RelayStream
from syncline_server.sync.errors import TooManyOpen

_EACH: Final = 16
_IN_ALL: Final = 64


class Strangers:
    """Keeps the newest streams and ends the oldest: the stream of a bridge is soon nobody's no more."""

    def __init__(self) -> None:
        """Know nobody."""
        self._address_of: dict[RelayStream, str] = {}

    def add(self, stream: RelayStream, address: str) -> None:
        """Keep a stream, and end another where there are too many of its address, or in all."""
        self._address_of[stream] = address
        of_address = [other for other, theirs in self._address_of.items() if theirs == address]
        if len(of_address) > _EACH:
            self._end(of_address[0], _EACH)
        elif len(self._address_of) > _IN_ALL:
            self._end(next(iter(self._address_of)), _IN_ALL)

    def remove(self, stream: RelayStream) -> None:
        """Let go of a stream: somebody was let in over it, or it is over."""
        self._address_of.pop(stream, None)

    def _end(self, stream: RelayStream, limit: int) -> None:
        self.remove(stream)
        stream.end(TooManyOpen("relays over which nobody was let in", limit))
