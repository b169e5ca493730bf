"""Where in a JSON document something is wrong: found only once it is known that something is."""

import re
import string
from typing import Any

import jiter

_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_OF_WORDS = f"{string.ascii_letters}{string.digits}+-.".encode()
_OPENING = (b"{", b"[")
_STEP = re.compile(r"\[(?P<index>[0-9]+)\]|\.?(?P<name>[^.\[]+)")
_SHOWN_STEPS = 4
_MAX_NAME = 64
_SOME_LEVELS_BYTES = 64


class Place(tuple[str | int, ...]):
    """The names and indices that lead to a value, from the outside in."""

    __slots__ = ()

    def __str__(self) -> str:
        """Spell it as in `changes[1].data`; what lies deep inside is left out."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{_printable(step)}" for step in self[:_SHOWN_STEPS])
        return "".join(steps).removeprefix(".")

    def details(self) -> dict[str, int | str]:
        """Return `index`, which of many it is in, where it is in one, and `field`, the member there."""
        index = next((at for at, step in enumerate(self) if isinstance(step, int)), None)
        if index is None:
            return {"field": _printable(str(self[0]))} if self else {}
        found: dict[str, int | str] = {"index": int(self[index])}
        if len(self) > index + 1:
            found["field"] = _printable(str(self[index + 1]))
        return found


def of_text(path: str) -> Place:
    """Read a place as msgspec spells it, `changes[1].data`."""
    return Place(int(step["index"]) if step["index"] else step["name"] for step in _STEP.finditer(path))


def at(text: bytes, line: int, column: int, repeated: str | None = None) -> Place:
    """Return the place of what a parser stumbled over there; both count from 1, columns in bytes.

    `repeated` is the name of the member that is there for the second time, if that is what is wrong.
    """
    start = 0
    for _ in range(line - 1):
        start = text.index(b"\n", start) + 1
    before = text[: start + column - 1]
    # Backslashes are in strings alone; without what they escape, every quote begins or ends one.
    blanked = _ESCAPE.sub(b"__", before)
    in_string = blanked.count(b'"') % 2
    before = before[: blanked.rindex(b'"')] if in_string else before.rstrip(_OF_WORDS)
    with_value = () if repeated is not None else (before + b"null",)
    for candidate in (*with_value, before, before[:-_SOME_LEVELS_BYTES]):
        try:
            read = jiter.from_json(candidate, partial_mode=True, float_mode="lossless-float")
        except ValueError:
            continue
        steps = _last(read)
        if repeated is not None:
            return Place((*steps[:-1], repeated))
        # Without a value put there, the last thing read is a neighbour of what is wrong, or what it is in.
        return Place(steps[:-1] if candidate is before and not before.rstrip().endswith(_OPENING) else steps)
    return Place()


def _last(value: Any) -> list[str | int]:
    """Return the steps to what was read last."""
    steps: list[str | int] = []
    while isinstance(value, dict | list) and value:
        step: Any = next(reversed(value)) if isinstance(value, dict) else len(value) - 1
        steps.append(step)
        value = value[step]
    return steps


def _printable(name: str) -> str:
    return name[:_MAX_NAME] if name.isprintable() else "?"
