"""What a handler sees of a call that was relayed: the part of the context of a gRPC call that handlers use."""

from typing import Any, Final, Never

import grpc
from grpc import aio

from syncline_server.identity.credentials import Credentials

_RICH_STATUS: Final = "grpc-status-details-bin"


class RelayedContext:
    """Stands in for the context of a call of its own."""

    __slots__ = ("_peer", "_request", "_request_id", "credentials", "status")

    def __init__(self, credentials: Credentials, request: bytes, request_id: str, peer: str) -> None:
        """Carry a call of somebody; `peer` is the bridge, as gRPC names it."""
        self.credentials = credentials
        self._request: bytes | None = request
        self._request_id = request_id
        self._peer = peer
        self.status = b""
        """How the call has failed, a google.rpc.Status; empty: it has not."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Return what the metadata of a call of its own would be."""
        api_key, authorization, device_id, _ = self.credentials
        pairs = (
            ("x-api-key", api_key),
            ("authorization", authorization),
            ("x-device-id", device_id),
            ("x-request-id", self._request_id),
        )
        return tuple(pair for pair in pairs if pair[1])

    def peer(self) -> str:
        """Return who has sent the call."""
        return self._peer

    async def read(self) -> Any:
        """Return the request, and after it the end."""
        request, self._request = self._request, None
        return aio.EOF if request is None else request

    def set_trailing_metadata(self, _: object) -> None:
        """Tell nothing more: a bridge has a clock."""

    async def abort_with_status(self, status: grpc.Status) -> Never:
        """End the call with a status."""
        self.status = status_bytes(status)
        raise aio.AbortError


def status_bytes(status: grpc.Status) -> bytes:
    """Return the google.rpc.Status that a status carries, serialized."""
    trailing: Any = status.trailing_metadata  # pairs; the stub packages for gRPC disagree
    rich: bytes = dict(trailing)[_RICH_STATUS]
    return rich
