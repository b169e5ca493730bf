"""How the client connects."""

from typing import Final

import grpc
from grpc import aio

from syncline import words

_OPTIONS: Final = (*words.CHANNEL_OPTIONS, words.OWN_CONNECTION)


def open_channel(target: str, tls: grpc.ChannelCredentials | None) -> aio.Channel:
    """Open a channel that shares nothing with any other; None as `tls`: in the clear."""
    if tls is None:
        return aio.insecure_channel(target, options=_OPTIONS)
    return aio.secure_channel(target, tls, options=_OPTIONS)
