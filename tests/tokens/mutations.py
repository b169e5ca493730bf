"""How a token is spoilt: each function makes one wrong token, now and then a right one, out of true ones."""

import base64
import random
from collections.abc import Callable, Sequence

_ALPHABETS = (
    b"+/",
    b"=",
    b"0123456789abcdef",
    b" \t\r\n\x00\x7f",
    bytes(range(256)),
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
)
_FIELDS = (0, 1, 2, 10, 18, 26, 42)
"""Where the parts of a token begin: version, key, epoch, scope, revision, signature."""
_WORDS = (
    *("\N{FULLWIDTH LATIN CAPITAL LETTER A}", "\N{CYRILLIC CAPITAL LETTER A}", "\N{ZERO WIDTH JOINER}", "\ufeff"),
    *("\N{COMBINING ACUTE ACCENT}", "\N{RIGHT-TO-LEFT OVERRIDE}", "\N{PILE OF POO}", "\x85", "\xa0", "\u2028"),
)
_NOTHINGS = (
    *(b" ", b"\t", b"\n", b"\x00", b"null", b"None", b"undefined", b"0", b"-1", b'""', b"{}", b"[]", b"=", b"-", b"_"),
    *(
        b"A" * 56,
        b"A" * 55,
        b"\x00" * 56,
        b"\xff" * 56,
        b"....",
        b"0.1.0.",
        b"0.1.0.A",
        b"%00",
        b"' OR 1=1 --",
        b"true",
    ),
)

Draw = random.Random
Spoil = Callable[[Draw, bytes, bytes], bytes]
"""Makes a token of two true ones."""


def _bytes_of(token: bytes) -> bytearray:
    return bytearray(base64.urlsafe_b64decode(token + b"=" * (-len(token) % 4)))


def _text_of(raw: bytes | bytearray) -> bytes:
    return base64.urlsafe_b64encode(bytes(raw))


def _flip_a_bit_inside(draw: Draw, token: bytes, _: bytes) -> bytes:
    raw = _bytes_of(token)
    raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    return _text_of(raw)


def _flip_bits_of_the_text(draw: Draw, token: bytes, _: bytes) -> bytes:
    text = bytearray(token)
    for _times in range(draw.choice((1, 1, 2, 8))):
        text[draw.randrange(len(text))] ^= 1 << draw.randrange(8)
    return bytes(text)


def _another_character(draw: Draw, token: bytes, _: bytes) -> bytes:
    at = draw.randrange(len(token))
    return token[:at] + bytes([draw.choice(draw.choice(_ALPHABETS))]) + token[at + 1 :]


def _one_more_character(draw: Draw, token: bytes, _: bytes) -> bytes:
    at = draw.randrange(len(token) + 1)
    return token[:at] + bytes([draw.choice(draw.choice(_ALPHABETS))]) + token[at:]


def _a_word_of_unicode(draw: Draw, token: bytes, _: bytes) -> bytes:
    at, over = draw.randrange(len(token) + 1), draw.randrange(2)
    return token[:at] + draw.choice(_WORDS).encode() + token[at + over :]


def _cut(draw: Draw, token: bytes, _: bytes) -> bytes:
    first, last = sorted(draw.sample(range(len(token) + 1), 2))
    return draw.choice((token[:last], token[first:], token[first:last], token[:first] + token[last:]))


def _spliced(draw: Draw, token: bytes, other: bytes) -> bytes:
    at = draw.randrange(len(token) + 1)
    return token[:at] + other[at:]


def _a_field_of_another(draw: Draw, token: bytes, other: bytes) -> bytes:
    raw, others = _bytes_of(token), _bytes_of(other)
    field = draw.randrange(len(_FIELDS) - 1)
    part = slice(_FIELDS[field], _FIELDS[field + 1])
    raw[part] = others[part]
    return _text_of(raw)


def _a_field_of_its_own(draw: Draw, token: bytes, _: bytes) -> bytes:
    raw = _bytes_of(token)
    field = draw.randrange(len(_FIELDS) - 1)
    part = slice(_FIELDS[field], _FIELDS[field + 1])
    size = part.stop - part.start
    raw[part] = draw.choice((bytes(size), b"\xff" * size, b"\x7f" + b"\xff" * (size - 1), draw.randbytes(size)))
    return _text_of(raw)


def _spelled_otherwise(draw: Draw, token: bytes, _: bytes) -> bytes:
    raw = bytes(_bytes_of(token))
    ways: Sequence[Callable[[], bytes]] = (
        lambda: base64.standard_b64encode(raw),
        lambda: base64.b32encode(raw),
        lambda: base64.b85encode(raw),
        raw.hex().encode,
        lambda: raw,
        lambda: _text_of(token),
        token.upper,
        token.swapcase,
        lambda: token[::-1],
        lambda: token + b"=" * draw.randint(1, 4),
        lambda: b"".join(b"%%%02X" % byte for byte in token),
        lambda: token.decode().encode("utf-16"),
        lambda: draw.choice((b"%b ", b" %b", b"\n%b", b"%b\n", b'"%b"', b"%b\x00", b"\x00%b", b"Bearer %b")) % token,
        lambda: b"\n".join((token[:28], token[28:])),
    )
    return draw.choice(ways)()


def _far_too_long(draw: Draw, token: bytes, other: bytes) -> bytes:
    return draw.choice(
        (token * 100, token + other, b"A" * 6000, "é".encode() * 2000, b"\x00" * 2000, token + b"=" * 2000)
    )


def _noise(draw: Draw, token: bytes, _: bytes) -> bytes:
    return draw.choice((draw.randbytes(draw.randrange(1, 90)), _text_of(draw.randbytes(42)), draw.choice(_NOTHINGS)))


def _as_it_is(_: Draw, token: bytes, other: bytes) -> bytes:
    return other


SPOILT: Sequence[Spoil] = (
    _flip_a_bit_inside,
    _flip_bits_of_the_text,
    _another_character,
    _one_more_character,
    _a_word_of_unicode,
    _cut,
    _spliced,
    _a_field_of_another,
    _a_field_of_its_own,
    _spelled_otherwise,
    _far_too_long,
    _noise,
    _as_it_is,
)


def spoilt(draw: Draw, own: Sequence[bytes], all_tokens: Sequence[bytes]) -> bytes:
    """Spoil a token of one's own, with parts of any other; sometimes twice."""
    token = draw.choice(SPOILT)(draw, draw.choice(own), draw.choice(all_tokens))
    if draw.random() < 0.1 and len(token) > 1:
        token = draw.choice((_another_character, _cut, _one_more_character))(draw, token, token)
    return token
