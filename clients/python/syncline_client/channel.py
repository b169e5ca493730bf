"""How the client connects."""

from typing import Final

import grpc
from grpc import aio

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ("grpc.max_send_message_length", -1),  # the server has the last word
    # A channel shares its connection with others in the process unless told not to; streams would starve calls.
    ("grpc.use_local_subchannel_pool", 1),
    # A peer that is gone without a word is noticed. The server allows a ping every 10 s.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # By default the pause between two attempts to connect grows to two minutes; the client has pauses of its own.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.min_reconnect_backoff_ms", 5000),  # what an attempt may take, in spite of its name
    ("grpc.enable_http_proxy", 0),  # https_proxy is meant for the way out, not for a server of one's own
)


def open_channel(target: str, tls: grpc.ChannelCredentials | None) -> aio.Channel:
    """Open a channel that shares nothing with any other; None as `tls`: in the clear."""
    if tls is None:
        return aio.insecure_channel(target, options=_OPTIONS)
    return aio.secure_channel(target, tls, options=_OPTIONS)
