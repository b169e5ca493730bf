"""Where this dialect is served, and how each operation is documented."""

from collections.abc import AsyncGenerator, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from bridge.dialects.echo import translate
from bridge.dialects.echo.models import Echoes, Shout, Silence
from bridge.dialects.echo.settings import EchoSettings
from syncline import words
from syncline_bridge.caller import Caller, header
from syncline_bridge.describe.operation import Failures, Operation, json_of
from syncline_bridge.describe.pieces import FAILURES, SESSION_TOKEN, api_key, events_of, parameter
from syncline_bridge.edge import json_text
from syncline_bridge.edge.answers import json_answer
from syncline_bridge.edge.event_stream import EventStream, EventStreams, event
from syncline_bridge.upstream import Upstream

SHOUTED = "X-Shouted"
SECURITY_SCHEMES = {"echo_key": api_key("X-Echo-Key", "The project's client key."), "session_token": SESSION_TOKEN}

_SECURITY = ({"echo_key": (), "session_token": ()},)
_FAILURES = Failures(Silence, {400: "The shout is malformed.", **FAILURES})
_NAME = parameter("name", {"type": "string"}, "The name of the word.", where="path", required=True)


class Handlers:
    """Answer the requests of the dialect."""

    def __init__(self, upstream: Upstream, streams: EventStreams, settings: EchoSettings) -> None:
        self._upstream = upstream
        self._streams = streams
        self._settings = settings

    async def shout(self, request: Request) -> Response:
        """Shout a word."""
        shout = json_text.decode(await request.body(), Shout)
        name = request.path_params["name"]
        push = translate.push_request(name, shout, self._settings.echo_max_letters)
        await self._upstream.push(push, caller_of(request))
        return json_answer(Echoes([shout.word]), headers={SHOUTED: words.header_of_text(name)})

    async def listen(self, request: Request) -> Response:
        """Hear every word."""
        page = await self._upstream.pull(translate.pull_request(), caller_of(request))
        return json_answer(translate.echoes(page.changes))

    async def keep_listening(self, request: Request) -> Response:
        """Hear every word, and those to come."""
        return EventStream(self._streams, self._events(caller_of(request)))

    async def _events(self, caller: Caller) -> AsyncGenerator[bytes, None]:
        async for message in self._upstream.stream(translate.stream_request(), caller):
            yield event(msgspec.json.encode(translate.echoes(message.changes)))


def operations(upstream: Upstream, streams: EventStreams, settings: EchoSettings) -> Sequence[Operation]:
    """Make what this dialect serves."""
    handlers = Handlers(upstream, streams, settings)
    return (
        Operation(
            method="PUT",
            paths=("/echo/{name}",),
            handler=handlers.shout,
            content=json_of(Echoes),
            failures=_FAILURES,
            security=_SECURITY,
            parameters=(_NAME,),
            body=Shout,
            headers={SHOUTED: {"description": "The name of the word.", "schema": {"type": "string"}}},
        ),
        Operation(
            method="GET",
            paths=("/echo",),
            handler=handlers.listen,
            content=json_of(Echoes),
            failures=_FAILURES,
            security=_SECURITY,
            is_hot=True,
        ),
        Operation(
            method="GET",
            paths=("/echo/live/words",),
            handler=handlers.keep_listening,
            content=events_of((Echoes,), ("message",), "None."),
            failures=_FAILURES,
            security=_SECURITY,
            is_stream=True,
        ),
    )


def caller_of(request: Request) -> Caller:
    """Take the credentials from the headers of a request."""
    return Caller(
        request_id=request.state.request_id,
        api_key=header(request, "X-Echo-Key"),
        authorization=header(request, "Authorization"),
    )
