"""T1: a token is a checkpoint, of one scope of one history, and nothing else is a token."""

import base64
import hmac
import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncline_server.sync.checkpoint import OF_AN_UNKNOWN_KEY, CheckpointCodec, ScopeTag
from syncline_server.sync.circle import MAX_KINDS, SHOWS_NONE, Checkpoint, kinds_of
from syncline_server.sync.errors import CheckpointInvalid
from syncline_server.sync.history import History

KEY = b"k" * 32
CODEC = CheckpointCodec({1: KEY})
ADA = CODEC.scope_tag(1, "ada")
EPOCH = 77
LAST = 2**62
LENGTHS = {56, *(100 + 8 * kinds for kinds in range(MAX_KINDS + 1))}

_epochs = st.integers(0, 2**63 - 1)
_kinds = st.lists(st.sampled_from([f"kind{number}" for number in range(MAX_KINDS + 2)]), unique=True).map(kinds_of)


@st.composite
def checkpoints(draw: st.DrawFn) -> Checkpoint:
    """Draw one of each state: at rest, cut, before a circle, in its first part, in its second."""
    numbers = draw(st.lists(st.integers(1, LAST), min_size=5, max_size=5, unique=True).map(sorted))
    one, two, three, four, five = numbers
    fields = draw(
        st.sampled_from(
            [
                {"revision": five},
                {"revision": 0},
                {"revision": three, "began": two},
                {"revision": 0, "began": five},
                {"revision": four, "after": -1, "end": three},
                {"revision": five, "after": -1, "end": five},
                {"revision": four, "after": two, "end": three, "rest": one},
                {"revision": four, "after": two, "end": three, "rest": two},
                {"revision": four, "after": 0, "end": one},
                {"revision": four, "after": one, "end": two, "began": three},
                {"revision": four, "after": 0, "end": two, "began": four},
            ]
        )
    )
    return Checkpoint(draw(_epochs), head=five, kinds=draw(_kinds), **fields)


def names_another_key(token: str) -> bool:
    """Tell whether a text has the form of a token, and the key that it names is not that of CODEC."""
    if not re.fullmatch("[A-Za-z0-9_-]+", token, re.ASCII) or len(token) not in LENGTHS:
        return False
    version, key_id = base64.urlsafe_b64decode(token)[:2]
    return version == (1 if len(token) == 56 else 2) and key_id != 1


def at(revision: int) -> Checkpoint:
    return Checkpoint(EPOCH, revision, revision)


def is_refused(codec: CheckpointCodec, scope_tag: ScopeTag, token: str) -> bool:
    """Tell whether a token is none, or of a key that is not known, and so of a lost history."""
    if names_another_key(token):
        return codec.decode(scope_tag, token) == OF_AN_UNKNOWN_KEY
    with pytest.raises(CheckpointInvalid):
        codec.decode(scope_tag, token)
    return True


def signed(*fields: int, kinds: tuple[bytes, ...] = (), count: int | None = None, version: int = 2) -> str:
    """Sign the fields of a token as they are: revision, after, end, rest or began, head."""
    body = struct.pack(
        ">BBQ8sqqqqqB", version, 1, EPOCH, ADA[1], *fields, len(kinds) if count is None else count
    ) + b"".join(kinds)
    return base64.urlsafe_b64encode(body + hmac.digest(KEY, b"checkpoint\x1f" + body, "sha256")[:16]).decode()


@given(checkpoint=checkpoints(), project=st.integers(1, 2**62), user=st.none() | st.text())
def test_a_token_leads_back_to_its_checkpoint(checkpoint: Checkpoint, project: int, user: str | None):
    assert checkpoint.is_sound
    scope = CODEC.scope_tag(project, user)
    token = CODEC.encode(scope, checkpoint)
    assert CODEC.decode(scope, token) == checkpoint
    assert CODEC.encode(scope, checkpoint) == token


@pytest.mark.parametrize(
    ("checkpoint", "characters"),
    [
        (at(LAST), 56),
        (at(LAST)._replace(revision=1), 100),
        (at(LAST)._replace(kinds=kinds_of(["todo"])), 108),
        (at(LAST)._replace(kinds=kinds_of(map(str, range(MAX_KINDS)))), 228),
        (at(LAST)._replace(kinds=SHOWS_NONE), 108),
    ],
)
def test_a_token_fits_into_a_header_and_a_url(checkpoint: Checkpoint, characters: int):
    token = CODEC.encode(ADA, checkpoint)
    assert len(token) == characters
    assert token.replace("-", "").replace("_", "").isalnum()


KINDS = kinds_of(["note", "todo"])


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(signed(9, 0, 0, 0, 8), id="a position past the head"),
        pytest.param(signed(-1, 0, 0, 0, 8), id="a position before the start"),
        pytest.param(signed(5, 0, 0, 9, 8), id="a reading that began past the head"),
        pytest.param(signed(5, 0, 0, -1, 8), id="a reading that began before the start"),
        pytest.param(signed(5, 1, 0, 0, 8), id="an empty circle"),
        pytest.param(signed(5, -1, 0, 0, 8), id="a circle that has not begun, of nothing"),
        pytest.param(signed(5, -1, 5, 1, 8), id="a circle that has not begun, with a rest"),
        pytest.param(signed(5, -2, 5, 0, 8), id="a circle before its beginning"),
        pytest.param(signed(5, 1, 6, 0, 8), id="a circle past the position"),
        pytest.param(signed(5, 4, 4, 0, 8), id="a circle of nothing"),
        pytest.param(signed(5, 3, 2, 0, 8), id="a circle the wrong way round"),
        pytest.param(signed(5, 1, 4, 2, 8), id="a rest in the circle"),
        pytest.param(signed(5, 1, 4, 4, 8), id="a rest up to the end of the circle"),
        pytest.param(signed(5, 1, 4, 6, 8), id="a circle that began past the position"),
        pytest.param(signed(5, 1, 4, -1, 8), id="a rest before the start"),
        pytest.param(signed(8, 0, 0, 0, 8), id="all there is, spelled at length"),
        pytest.param(signed(8, 0, 0, 0, 8, kinds=KINDS[::-1]), id="kinds in another order"),
        pytest.param(signed(8, 0, 0, 0, 8, kinds=KINDS[:1] * 2), id="a kind twice"),
        pytest.param(signed(8, 0, 0, 0, 8, kinds=KINDS, count=1), id="more kinds than it says"),
        pytest.param(signed(8, 0, 0, 0, 8, kinds=KINDS[:1], count=2), id="fewer kinds than it says"),
        pytest.param(signed(5, 0, 0, 1, 8, version=1), id="of the version before"),
        pytest.param(signed(5, 0, 0, 1, 8, version=3), id="of a version to come"),
    ],
)
def test_what_is_signed_and_makes_no_sense_is_refused(token: str):
    assert is_refused(CODEC, ADA, token)


def test_what_is_signed_and_makes_sense_is_read():
    assert CODEC.decode(ADA, signed(5, 1, 4, 1, 8, kinds=KINDS)) == Checkpoint(EPOCH, 5, 8, KINDS, 0, 1, 4, 1)
    assert CODEC.decode(ADA, signed(5, 1, 4, 5, 8)) == Checkpoint(EPOCH, 5, 8, (), 5, 1, 4, 0)


@pytest.mark.parametrize(("types", "kinds"), [(range(MAX_KINDS), MAX_KINDS), (range(MAX_KINDS + 1), 1)])
def test_a_token_shows_for_its_types_unless_they_are_too_many(types: range, kinds: int):
    names = list(map(str, types))
    checkpoint = at(5)._replace(kinds=kinds_of(names))
    assert len(checkpoint.kinds) == kinds
    assert checkpoint.shows(names) is (len(names) <= MAX_KINDS)
    assert not checkpoint.shows(["another"])
    assert at(5).shows(["another"])


@given(checkpoint=checkpoints(), place=st.integers(0, 227), character=st.characters())
def test_a_token_changed_in_any_character_is_refused(checkpoint: Checkpoint, place: int, character: str):
    token = CODEC.encode(ADA, checkpoint)
    changed = token[:place] + character + token[place + 1 :]
    assert changed == token or is_refused(CODEC, ADA, changed)


def test_each_single_character_counts():
    token = CODEC.encode(ADA, at(1_700_000_000_000_000))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/="
    changed = {token[:place] + one + token[place + 1 :] for place in range(len(token)) for one in alphabet} - {token}
    assert all(is_refused(CODEC, ADA, one) for one in changed)


@pytest.mark.parametrize("length", range(108))
def test_a_cut_token_is_refused(length: int):
    assert is_refused(CODEC, ADA, CODEC.encode(ADA, at(5))[:length][:55])
    assert is_refused(CODEC, ADA, CODEC.encode(ADA, at(5)._replace(kinds=KINDS[:1]))[:length])


@pytest.mark.parametrize("extra", ["=", "A", "\n", " ", "\0", "é"])
def test_a_token_with_more_around_it_is_refused(extra: str):
    token = CODEC.encode(ADA, at(5))
    assert is_refused(CODEC, ADA, token + extra)
    assert is_refused(CODEC, ADA, extra + token)


@given(checkpoint=checkpoints())
def test_a_checkpoint_has_one_spelling(checkpoint: Checkpoint):
    token = CODEC.encode(ADA, checkpoint)
    other = token.replace("-", "+").replace("_", "/")
    assert other == token or is_refused(CODEC, ADA, other)


@given(text=st.text())
def test_garbage_is_refused(text: str):
    assert is_refused(CODEC, ADA, text)


@pytest.mark.parametrize(("project", "user"), [(1, "bob"), (2, "ada"), (1, None), (1, ""), (11, "da")])
def test_a_token_of_another_scope_is_refused(project: int, user: str | None):
    assert is_refused(CODEC, CODEC.scope_tag(project, user), CODEC.encode(ADA, at(5)))


def test_a_token_that_a_known_key_has_not_signed_is_refused():
    forger = CheckpointCodec({1: b"other" * 8})
    with pytest.raises(CheckpointInvalid):
        CODEC.decode(ADA, forger.encode(forger.scope_tag(1, "ada"), at(5)))


def test_a_token_of_a_key_that_is_not_known_is_of_a_lost_history():
    other = CheckpointCodec({2: b"k" * 32})
    read = CODEC.decode(ADA, other.encode(other.scope_tag(1, "ada"), at(5)))
    assert read == OF_AN_UNKNOWN_KEY
    assert read.is_sound
    assert not any(history.holds(read.vouched, LAST) for history in (History(EPOCH), History(EPOCH, [5], [7], [0, 9])))


def test_the_first_key_signs_and_every_key_is_read():
    both = CheckpointCodec({2: b"new" * 10, 1: b"k" * 32})
    old, new = CODEC.encode(ADA, at(5)), both.encode(both.scope_tag(1, "ada"), at(6))
    assert both.decode(both.scope_tag(1, "ada"), old) == at(5)
    assert both.decode(both.scope_tag(1, "ada"), new) == at(6)
    assert is_refused(both, both.scope_tag(1, "bob"), old)
    assert CODEC.decode(ADA, new) == OF_AN_UNKNOWN_KEY
