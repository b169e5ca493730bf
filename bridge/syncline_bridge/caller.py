"""Who is calling: the credentials a client sent, unchecked, on their way to the server that checks them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from starlette.requests import Request

from syncline import words
from syncline_bridge.failure import RefusedError, invalid

# gRPC refuses metadata between 8 and 16 KiB at random; this leaves room for what it adds itself.
MAX_METADATA_BYTES = 7 * 1024
_HOW_TO = "an id beyond it is written UTF-8'' and then percent-encoded, as in UTF-8''J%C3%BCrgen"


@dataclass(frozen=True, slots=True)
class Caller:
    """Carry what identifies a call; a dialect fills it from its own headers."""

    request_id: str
    api_key: str = ""
    authorization: str = ""
    device_id: str = ""
    ticket: str = ""
    user_id: str = ""
    """Whom the call is about; the server takes it from the holder of a server key alone."""

    def in_request(self, request_id: str) -> "Caller":
        """Return the same caller, in a request of his."""
        return Caller(request_id, self.api_key, self.authorization, self.device_id, self.ticket, self.user_id)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Spell it as gRPC metadata; what is empty is left out, and the server decides what that means."""
        pairs = (
            ("x-api-key", self.api_key),
            ("authorization", self.authorization),
            ("x-device-id", self.device_id),
            ("x-ticket", self.ticket),
            ("x-request-id", self.request_id),
        )
        present = tuple((key, value) for key, value in pairs if value)
        if sum(len(key) + len(value) for key, value in present) > MAX_METADATA_BYTES:
            raise RefusedError(
                invalid(f"The credentials are larger than {MAX_METADATA_BYTES} bytes.", limit_bytes=MAX_METADATA_BYTES)
            )
        return present


def once_a_request(read: Callable[[Request], Caller]) -> Callable[[Request], Caller]:
    """Read who is calling once a request: the edge has done so, on the head, before a handler asks."""

    @wraps(read)
    def caller_of(request: Request) -> Caller:
        state = request.scope["state"]
        caller: Caller | None = state.get("caller")
        if caller is None:
            caller = state["caller"] = read(request)
        return caller

    return caller_of


def header(request: Request, name: str) -> str:
    """Return a header that may come at most once, as printable ASCII; empty when absent."""
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise RefusedError(invalid(f"{name}: was sent more than once.", field=name))
    return checked(name, values[0].strip(" \t") if values else "")


def id_header(request: Request, name: str) -> str:
    """Return an id that a header carries, decoded where it is beyond ASCII."""
    value = header(request, name)
    try:
        return words.text_of_header(value)
    except ValueError:
        raise RefusedError(invalid(f"{name}: is not percent-encoded UTF-8.", field=name)) from None


def checked(name: str, value: str) -> str:
    """Return a credential that can travel as metadata: printable ASCII; `name` is where it was sent."""
    if not (value.isascii() and value.isprintable()):
        raise RefusedError(invalid(f"{name}: has to be printable ASCII; {_HOW_TO}.", field=name))
    return value


SESSION_HEADERS = ("X-Api-Key", "Authorization", "X-Device-Id", "X-User-Id")
"""The headers of every dialect that names none of its own."""


@once_a_request
def caller_of_session(request: Request) -> Caller:
    """Take the credentials from these headers of a request."""
    return Caller(
        request_id=request.state.request_id,
        api_key=header(request, "X-Api-Key"),
        authorization=header(request, "Authorization"),
        device_id=header(request, "X-Device-Id"),
        user_id=id_header(request, "X-User-Id"),
    )
