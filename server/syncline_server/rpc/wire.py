"""How protobuf lies on the wire, as far as is read of it before anything is decoded."""

from typing import Final

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5
_SIZES: Final = {EIGHT_BYTES: 8, FOUR_BYTES: 4}
_LONGEST_VARINT: Final = 10


def varint(raw: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits a byte; returns it and where it ends.

    Raises IndexError where it is cut off, ValueError where it is longer than any can be.
    """
    number = shift = 0
    for byte in raw[at : at + _LONGEST_VARINT]:
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  # the eighth bit: more follow
            return number, at
        shift += 7
    raise IndexError if shift < 7 * _LONGEST_VARINT else ValueError


def ending(raw: bytes, at: int, wire_type: int) -> int:
    """Return where a value ends that begins here; raises IndexError and ValueError as `varint`."""
    if wire_type == VARINT:
        return varint(raw, at)[1]
    if wire_type == LENGTH:
        length, at = varint(raw, at)
        return at + length
    if wire_type in _SIZES:
        return at + _SIZES[wire_type]
    raise ValueError("the contract has no groups")
