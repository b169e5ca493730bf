"""What both sides of the contract agree on, and that each says it from one place."""

import sys
from pathlib import Path

import pytest

from syncline import words

_ROOT = Path(__file__).parents[2]
_SOURCES = ("protos/syncline", "server", "bridge", "clients/python", "command", "verify")


@pytest.mark.parametrize("text", ["a", "x" * 128, "é" * 64, "a b", "\N{NO-BREAK SPACE}", "\N{LEFT-TO-RIGHT MARK}"])
def test_an_id_is_1_to_128_bytes_without_control_characters(text: str) -> None:
    assert words.id_problem(text) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be 1 to 128 bytes long"),
        ("x" * 129, "must be 1 to 128 bytes long"),
        ("é" * 65, "must be 1 to 128 bytes long"),
        ("a\0", "must not contain control characters"),
        ("a\n", "must not contain control characters"),
        ("\x7f", "must not contain control characters"),
        ("\x80", "must not contain control characters"),
        ("\x9f", "must not contain control characters"),
        ("\ud800", "must not contain lone surrogates"),
    ],
)
def test_anything_else_is_no_id_and_the_problem_is_said(text: str, problem: str) -> None:
    assert words.id_problem(text) == problem


@pytest.mark.parametrize("text", ["a", "_", "Note", "a.b-c_9", "t" * 64])
def test_an_entity_type_begins_with_a_letter_or_underscore(text: str) -> None:
    assert words.match_entity_type(text)


@pytest.mark.parametrize("text", ["", "9a", "-a", "a b", "é", "t" * 65, "a\n"])
def test_anything_else_is_no_entity_type(text: str) -> None:
    assert not words.match_entity_type(text)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:65535", "[::1]:80"])
def test_an_address_can_be_taken_apart_and_put_together(address: str) -> None:
    assert words.join_address(*words.split_address(address)) == address


@pytest.mark.parametrize("address", ["", "80", ":80", "host:", "host:x", "host:65536", "::1:80", "a:1:2", "h:\u0661"])
def test_anything_else_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        words.split_address(address)


@pytest.mark.parametrize("said", ["A-Za-z_][A-Za-z0-9", "x7f", "max_reconnect_backoff_ms", "[0-9A-Fa-f:.]"])
def test_what_the_words_say_is_said_nowhere_else(said: str) -> None:
    files = [
        path
        for folder in _SOURCES
        for path in (_ROOT / folder).rglob("*.py")
        if "migrations" not in path.parts and not path.stem.endswith("_pb2")  # generated: any bytes
    ]
    saying = [str(path.relative_to(_ROOT)) for path in files if said in path.read_text()]
    assert saying == ["protos/syncline/words.py"]


def test_the_words_need_the_standard_library_alone() -> None:
    lines = Path(words.__file__).read_text().splitlines()
    imported = {line.split()[1].partition(".")[0] for line in lines if line.startswith(("import ", "from "))}
    assert imported <= sys.stdlib_module_names
