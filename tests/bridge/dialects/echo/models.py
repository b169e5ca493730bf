"""The JSON of this dialect: every key it reads or writes."""

import msgspec


class Shout(msgspec.Struct, frozen=True):
    """A word that is shouted."""

    word: str


class Echoes(msgspec.Struct, frozen=True):
    """All words of a user, oldest first."""

    echoes: list[str]


class Silence(msgspec.Struct, frozen=True):
    """Why there is no echo."""

    silence: str
    status: int


DOCUMENTED: tuple[type[msgspec.Struct], ...] = (Shout, Echoes, Silence)
