"""T1: a token is a position, of one scope of one history, and nothing else is a token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_server.sync.checkpoint import CheckpointCodec, Epoch
from syncline_server.sync.errors import CheckpointExpired, CheckpointInvalid

EPOCH = Epoch(77, frozenset({77, 76}))
CODEC = CheckpointCodec(1, b"k" * 32, EPOCH)
ADA = CODEC.scope_tag(1, "ada")
revisions = st.integers(0, 2**62)


def is_refused(codec: CheckpointCodec, scope_tag: bytes, token: str) -> bool:
    with pytest.raises(CheckpointInvalid):
        codec.decode(scope_tag, token)
    return True


@given(revision=revisions, project=st.integers(1, 2**62), user=st.none() | st.text())
def test_a_token_leads_back_to_its_position(revision: int, project: int, user: str | None):
    scope = CODEC.scope_tag(project, user)
    token = CODEC.encode(scope, revision)
    assert CODEC.decode(scope, token) == revision
    assert CODEC.encode(scope, revision) == token


def test_a_token_fits_into_a_header_and_a_url():
    token = CODEC.encode(ADA, 2**62)
    assert len(token) == 56
    assert token.replace("-", "").replace("_", "").isalnum()


@given(revision=revisions, at=st.integers(0, 55), character=st.characters())
def test_a_token_changed_in_any_character_is_refused(revision: int, at: int, character: str):
    token = CODEC.encode(ADA, revision)
    changed = token[:at] + character + token[at + 1 :]
    assert changed == token or is_refused(CODEC, ADA, changed)


def test_each_single_character_counts():
    token = CODEC.encode(ADA, 1_700_000_000_000_000)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/="
    changed = {token[:at] + one + token[at + 1 :] for at in range(len(token)) for one in alphabet} - {token}
    assert all(is_refused(CODEC, ADA, one) for one in changed)


@pytest.mark.parametrize("length", range(56))
def test_a_cut_token_is_refused(length: int):
    assert is_refused(CODEC, ADA, CODEC.encode(ADA, 5)[:length])


@pytest.mark.parametrize("extra", ["=", "A", "\n", " ", "\0", "é"])
def test_a_token_with_more_around_it_is_refused(extra: str):
    token = CODEC.encode(ADA, 5)
    assert is_refused(CODEC, ADA, token + extra)
    assert is_refused(CODEC, ADA, extra + token)


@given(revision=revisions)
def test_a_position_has_one_spelling(revision: int):
    token = CODEC.encode(ADA, revision)
    other = token.replace("-", "+").replace("_", "/")
    assert other == token or is_refused(CODEC, ADA, other)


@given(text=st.text())
def test_garbage_is_refused(text: str):
    assert is_refused(CODEC, ADA, text)


@pytest.mark.parametrize(("project", "user"), [(1, "bob"), (2, "ada"), (1, None), (1, ""), (11, "da")])
def test_a_token_of_another_scope_is_refused(project: int, user: str | None):
    assert is_refused(CODEC, CODEC.scope_tag(project, user), CODEC.encode(ADA, 5))


@pytest.mark.parametrize("codec", [CheckpointCodec(1, b"other" * 8, EPOCH), CheckpointCodec(2, b"k" * 32, EPOCH)])
def test_a_token_of_another_key_is_refused(codec: CheckpointCodec):
    assert is_refused(CODEC, ADA, codec.encode(ADA, 5))


def test_a_token_of_an_earlier_epoch_that_is_known_is_good():
    earlier = CheckpointCodec(1, b"k" * 32, Epoch(76, frozenset({76})))
    assert CODEC.decode(ADA, earlier.encode(ADA, 5)) == 5


def test_a_token_of_an_unknown_epoch_has_expired():
    lost = CheckpointCodec(1, b"k" * 32, Epoch(78, frozenset({78})))
    with pytest.raises(CheckpointExpired):
        CODEC.decode(ADA, lost.encode(ADA, 5))


def test_a_token_of_another_scope_and_an_unknown_epoch_is_refused_and_not_expired():
    lost = CheckpointCodec(1, b"k" * 32, Epoch(78, frozenset({78})))
    assert is_refused(CODEC, ADA, lost.encode(CODEC.scope_tag(1, "bob"), 5))
