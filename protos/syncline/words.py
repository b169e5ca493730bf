"""What both sides of the contract must agree on and its messages cannot say: forms of ids and types, limits, addresses.

Standard library alone, since everything imports it.
"""

import re
from typing import Final
from urllib.parse import quote, unquote

MAX_ID_BYTES: Final = 128
"""The longest id of an entity, a user or a device, as UTF-8."""
ID_LENGTH_PROBLEM: Final = f"must be 1 to {MAX_ID_BYTES} bytes long"
"""What id_problem says of an id that is too long, or empty."""
MAX_PUSH_ID_BYTES: Final = 64
"""The longest id of a push, as UTF-8."""
MAX_NOTES: Final = 100
"""The most notes beside its changes that a push may have, and that a reader may ask for."""
MAX_NOTE_NAME_BYTES: Final = 256
"""The longest name of a note, as UTF-8."""
MAX_NOTE_BYTES: Final = 16 * 1024
"""The largest value of a note."""
MAX_NOTE_SECONDS: Final = 10 * 365 * 24 * 3600
"""For how long a note may be kept, unless for ever."""
MAX_PUSH_CHANGES: Final = 1000
"""The most changes in one push that a server can be set to take."""
MAX_PAGE_SIZE: Final = 1000
"""The most changes that a reader may ask for at once."""
MAX_REFERENCES: Final = 1000
"""The most entities that a reader may ask for by their ids."""
MAX_ENTITY_TYPES: Final = 100
"""The most entity types that a reader may name."""
MAX_REVISION: Final = 2**62
"""No log ever comes so far; what is beyond it is no revision."""
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""The largest message that a server sends; a client has to take it."""

ENTITY_TYPE_PATTERN: Final = "[A-Za-z_][A-Za-z0-9_.-]{0,63}"
"""The form of an entity type as a regular expression, without anchors: also for a JSON Schema."""
ENTITY_TYPE_FORM: Final = "a letter or _, then letters, digits, _ . -; at most 64 characters"
"""The same for people: "must be" goes before it."""
REQUEST_ID_PATTERN: Final = "[A-Za-z0-9._-]{1,64}"
"""A request id that logs take over from a client; bridge and server name a call by one."""
SERVER_TIME: Final = "server_time"
"""The metadata that tells the server's time, in ms since the Unix epoch: trailing, on streams initial."""

CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
    ("grpc.max_send_message_length", -1),  # the server has the last word
    # A peer that is gone without a word is noticed. The server allows a ping every 10 s.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # By default the pause between two attempts to connect grows to two minutes: as long as a restart would be felt.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.min_reconnect_backoff_ms", 5000),  # what an attempt may take, in spite of its name
    ("grpc.enable_http_proxy", 0),  # https_proxy is meant for the way out, not for a server of one's own
)
"""How every client of ours connects over gRPC."""
OWN_CONNECTION: Final = ("grpc.use_local_subchannel_pool", 1)
"""Share no connection with other channels of the process: streams would keep calls waiting."""

_EXTENDED: Final = "UTF-8''"
_LOOPBACK_HOST: Final = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1")
_ADDRESS: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+):(?P<port>[0-9]{1,5})", re.ASCII)
_MAX_PORT: Final = 65_535
_DELETE_CHARACTER: Final = "\x7f"
_AFTER_C1: Final = "\xa0"

# Without a function of our own around them: a push asks once a change.
match_entity_type: Final = re.compile(ENTITY_TYPE_PATTERN, re.ASCII).fullmatch
"""Return a match where a text is an entity type, else None."""
match_request_id: Final = re.compile(REQUEST_ID_PATTERN, re.ASCII).fullmatch
"""Return a match where a text is a request id, else None."""


def id_problem(text: str) -> str | None:
    """Say what keeps `text` from being an id, as the end of a sentence about it; None: it is one.

    An id is 1 to 128 bytes of UTF-8 without control characters.
    """
    if not text.isprintable() and (problem := _character_problem(text[: MAX_ID_BYTES + 1])):
        return problem
    if 0 < len(text) <= MAX_ID_BYTES and len(text.encode()) <= MAX_ID_BYTES:
        return None
    return ID_LENGTH_PROBLEM


def text_of_header(value: str) -> str:
    """Return what a header stands for that carries an id; raises ValueError.

    A header is ASCII. Ids beyond it come as RFC 8187 has it, `UTF-8''` and then percent-encoded: `UTF-8''J%C3%BCrgen`.
    """
    if not value.startswith(_EXTENDED):
        return value
    return unquote(value.removeprefix(_EXTENDED), errors="strict")


def header_of_text(text: str) -> str:
    """Return an id as a header can carry it."""
    plain = text.isascii() and text.isprintable() and text == text.strip() and not text.startswith(_EXTENDED)
    return text if plain else _EXTENDED + quote(text, safe="")


def push_id_problem(text: str) -> str | None:
    """Say what keeps `text` from being the id of a push, as the end of a sentence about it; None: it is one, or none.

    It is at most 64 bytes of printable UTF-8.
    """
    if len(text.encode(errors="replace")) > MAX_PUSH_ID_BYTES:
        return f"must be at most {MAX_PUSH_ID_BYTES} bytes long"
    return None if text.isprintable() else "must be printable"


def note_name_problem(text: str) -> str | None:
    """Say what keeps `text` from being the name of a note, as the end of a sentence about it; None: it is one.

    It is 1 to 256 bytes of UTF-8 without control characters.
    """
    if not text.isprintable() and (problem := _character_problem(text[: MAX_NOTE_NAME_BYTES + 1])):
        return problem
    if 0 < len(text.encode()) <= MAX_NOTE_NAME_BYTES:
        return None
    return f"must be 1 to {MAX_NOTE_NAME_BYTES} bytes long"


def has_control(text: str) -> bool:
    """Tell whether there is a control character (C0, DEL, C1) in `text`."""
    return any(character < " " or _DELETE_CHARACTER <= character < _AFTER_C1 for character in text)


def printable(text: str, kept: str = "") -> str:
    """Return a text that does nothing to a terminal: what is not printable is escaped, unless it is in `kept`."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in kept else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()


def split_address(address: str) -> tuple[str, int]:
    """Split HOST:PORT or [IPV6]:PORT into the host, without brackets, and the port; raises ValueError."""
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > _MAX_PORT:
        raise ValueError(f"has to be HOST:PORT, for example 127.0.0.1:8080, not {address!r}")
    return match["host"].strip("[]"), int(match["port"])


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches what listens on a host."""
    return _LOOPBACK_HOST.fullmatch(host) is not None


def join_address(host: str, port: int) -> str:
    """Return HOST:PORT, or [IPV6]:PORT."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _character_problem(text: str) -> str | None:
    if has_control(text):
        return "must not contain control characters"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "must not contain lone surrogates"
    return None
