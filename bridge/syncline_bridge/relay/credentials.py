"""Callers as the relay sends them: bytes, made once for all calls with the same credentials."""

from typing import Final

from syncline.relay.v1 import relay_pb2
from syncline_bridge.caller import MAX_METADATA_BYTES, Caller

_REMEMBERED: Final = 10_000
_ROOM_FOR_REST_BYTES: Final = 256
"""For the names of metadata and the request id, which count when a call goes alone."""


class RelayedCallers:
    """Remembers the bytes of callers."""

    def __init__(self) -> None:
        """Remember nobody."""
        self._bytes_of: dict[tuple[str, str, str], bytes] = {}

    def bytes_of(self, caller: Caller) -> bytes | None:
        """Return the credentials of a caller, serialized; None: a call of its own says what is wrong with them."""
        key = (caller.api_key, caller.authorization, caller.device_id)
        known = self._bytes_of.get(key)
        if known is None and not caller.ticket and sum(map(len, key)) <= MAX_METADATA_BYTES - _ROOM_FOR_REST_BYTES:
            if len(self._bytes_of) >= _REMEMBERED:
                self._bytes_of.clear()
            sent = relay_pb2.Credentials(api_key=key[0], authorization=key[1], device_id=key[2])
            known = self._bytes_of[key] = sent.SerializeToString()
        return known
