"""Where a request ends: parser and application have to agree, or one client's body is run as a request of another."""

from typing import Any

import httptools
from starlette.types import Receive
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from syncline_bridge.edge.whole_answers import HeadHolder

_MAX_PIPELINED = 32
_NOT_OFFERED = frozenset({b"upgrade", b"http2-settings"})
"""Headers of an offer to change the protocol, and what `Connection` calls them."""


def has_come(receive: Receive) -> bool:
    """Tell whether a request is complete already, so that `receive` does not wait: ASGI itself cannot say."""
    cycle = getattr(receive, "__self__", None)
    return isinstance(cycle, RequestResponseCycle) and not cycle.more_body


class RequestEndsProtocol(HttpToolsProtocol):
    """Read every request to the end that its head announces, whatever else the head offers.

    - An offered `Upgrade` is ignored (RFC 9110, 7.8). The parser takes the offer for the end of HTTP and leaves the
      body to whatever comes next; so it is given the head once more, without it.
    - What comes after a body as trailers is no header.
    - What cannot be read ends the connection, after the answer to the request in progress and never within it.
    - Who is answered before the end of a body is not read any further.
    - Requests that wait for the answer to an earlier one are bounded.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._running: RequestResponseCycle | None = None
        self._head: HeadHolder | None = None
        self._is_deaf = False
        self._in_head = True

    @property
    def is_serving(self) -> bool:
        """Tell whether a request is in progress."""
        return self._running is not None and not self._running.response_complete

    @property
    def ignores_input(self) -> bool:
        """Tell whether what comes is thrown away."""
        return self._is_deaf or self._is_answered_early

    def data_received(self, data: bytes) -> None:
        """Read what has come."""
        self._unset_keepalive_if_required()
        while data and not self.ignores_input:
            data = self._read(data)

    def on_message_begin(self) -> None:
        """Begin a request, unless too many wait already."""
        if len(self.pipeline) >= _MAX_PIPELINED:
            raise BufferError("too many requests wait for the answer to an earlier one")
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer is none."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to serve, but for a head that is going to be read again."""
        self._in_head = False
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request."""
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, unless this one's end is not known."""
        if self._head is not None:
            self._head.flush()
        if self._is_answered_early:
            self.transport.close()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request in progress; uvicorn tells the last one that it has read."""
        if self._running is not None and self.is_serving:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def give_up_reading(self) -> None:
        """Read nothing more, and end the connection as soon as no answer is cut by that."""
        self._is_deaf = True
        self.pipeline.clear()
        running = self._running
        if running is None or running.response_complete:
            self.send_400_response("")
        elif running is self.cycle and running.more_body:
            running.disconnected = True
            running.message_event.set()
            if running.response_started:
                self.transport.close()
            else:
                self.send_400_response("")
        else:
            running.keep_alive = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        self._head = HeadHolder(self.transport, self.loop)
        cycle.transport = self._head.as_transport()
        super()._start_asgi_task(cycle, app)

    def _read(self, data: bytes) -> bytes:
        """Read, and return what is to be read next."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            (consumed,) = upgrade.args
            if self.parser.get_method() != b"CONNECT":  # not an offer: it asks for nothing else
                return self._without_the_offer() + data[consumed:]
            self.give_up_reading()
        except httptools.HttpParserError:
            self.give_up_reading()
        return b""

    def _without_the_offer(self) -> bytes:
        """Return the head that was read last without its offers, for a parser that knows of none."""
        request_line = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        headers = [(name, _kept(name, value)) for name, value in self.headers if name not in _NOT_OFFERED]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets it
        return b"\r\n".join([request_line, *(b"%s: %s" % header for header in headers), b"\r\n"])

    @property
    def _is_answered_early(self) -> bool:
        running = self._running
        return running is not None and running is self.cycle and running.more_body and running.response_started


def _kept(name: bytes, value: bytes) -> bytes:
    """Return a header's value without the options that go with an offer."""
    if name != b"connection":
        return value
    return b", ".join(option for option in map(bytes.strip, value.split(b",")) if option.lower() not in _NOT_OFFERED)
