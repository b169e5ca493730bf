"""T1: a token is a position, of one scope of one history, and nothing else is a token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_server.sync.checkpoint import CheckpointCodec
from syncline_server.sync.errors import CheckpointInvalid
from syncline_server.sync.history import Position

CODEC = CheckpointCodec({1: b"k" * 32})
ADA = CODEC.scope_tag(1, "ada")
positions = st.builds(Position, st.integers(0, 2**63 - 1), st.integers(0, 2**62))


def is_refused(codec: CheckpointCodec, scope_tag: bytes, token: str) -> bool:
    with pytest.raises(CheckpointInvalid):
        codec.decode(scope_tag, token)
    return True


@given(position=positions, project=st.integers(1, 2**62), user=st.none() | st.text())
def test_a_token_leads_back_to_its_position(position: Position, project: int, user: str | None):
    scope = CODEC.scope_tag(project, user)
    token = CODEC.encode(scope, position)
    assert CODEC.decode(scope, token) == position
    assert CODEC.encode(scope, position) == token


def test_a_token_fits_into_a_header_and_a_url():
    token = CODEC.encode(ADA, Position(77, 2**62))
    assert len(token) == 56
    assert token.replace("-", "").replace("_", "").isalnum()


@given(position=positions, at=st.integers(0, 55), character=st.characters())
def test_a_token_changed_in_any_character_is_refused(position: Position, at: int, character: str):
    token = CODEC.encode(ADA, position)
    changed = token[:at] + character + token[at + 1 :]
    assert changed == token or is_refused(CODEC, ADA, changed)


def test_each_single_character_counts():
    token = CODEC.encode(ADA, Position(77, 1_700_000_000_000_000))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/="
    changed = {token[:at] + one + token[at + 1 :] for at in range(len(token)) for one in alphabet} - {token}
    assert all(is_refused(CODEC, ADA, one) for one in changed)


@pytest.mark.parametrize("length", range(56))
def test_a_cut_token_is_refused(length: int):
    assert is_refused(CODEC, ADA, CODEC.encode(ADA, Position(77, 5))[:length])


@pytest.mark.parametrize("extra", ["=", "A", "\n", " ", "\0", "é"])
def test_a_token_with_more_around_it_is_refused(extra: str):
    token = CODEC.encode(ADA, Position(77, 5))
    assert is_refused(CODEC, ADA, token + extra)
    assert is_refused(CODEC, ADA, extra + token)


@given(position=positions)
def test_a_position_has_one_spelling(position: Position):
    token = CODEC.encode(ADA, position)
    other = token.replace("-", "+").replace("_", "/")
    assert other == token or is_refused(CODEC, ADA, other)


@given(text=st.text())
def test_garbage_is_refused(text: str):
    assert is_refused(CODEC, ADA, text)


@pytest.mark.parametrize(("project", "user"), [(1, "bob"), (2, "ada"), (1, None), (1, ""), (11, "da")])
def test_a_token_of_another_scope_is_refused(project: int, user: str | None):
    assert is_refused(CODEC, CODEC.scope_tag(project, user), CODEC.encode(ADA, Position(77, 5)))


@pytest.mark.parametrize("codec", [CheckpointCodec({1: b"other" * 8}), CheckpointCodec({2: b"k" * 32})])
def test_a_token_of_another_key_is_refused(codec: CheckpointCodec):
    assert is_refused(CODEC, ADA, codec.encode(codec.scope_tag(1, "ada"), Position(77, 5)))


def test_the_first_key_signs_and_every_key_is_read():
    both = CheckpointCodec({2: b"new" * 10, 1: b"k" * 32})
    old, new = CODEC.encode(ADA, Position(77, 5)), both.encode(both.scope_tag(1, "ada"), Position(77, 6))
    assert both.decode(both.scope_tag(1, "ada"), old) == Position(77, 5)
    assert both.decode(both.scope_tag(1, "ada"), new) == Position(77, 6)
    assert is_refused(both, both.scope_tag(1, "bob"), old)
    assert is_refused(CODEC, ADA, new)
