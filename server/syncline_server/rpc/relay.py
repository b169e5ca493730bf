"""What the bridge asks beside what its clients ask: whether credentials are good."""

from typing import Any

from syncline.relay.v1 import relay_pb2, relay_pb2_grpc


class RelayService(relay_pb2_grpc.RelayServiceServicer):
    """`syncline.relay.v1.RelayService`; who cannot be let in is refused before any of it is called."""

    async def CheckCaller(self, request: Any, context: Any) -> relay_pb2.CheckCallerResponse:  # noqa: N802  # the contract's name
        """Say that the credentials are good."""
        return relay_pb2.CheckCallerResponse()
