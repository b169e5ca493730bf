"""The knobs of this dialect."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from syncline import words
from syncline_bridge.knobs import Knobs

_LEAST_VERSION = re.compile(rf"(?P<collection>{words.ENTITY_TYPE_PATTERN})=(?P<version>[0-9]{{1,9}})", re.ASCII)


class RxdbSettings(Knobs):
    """Say how large a push may be, and which clients are too old."""

    rxdb_max_body_bytes: Annotated[int, Field(gt=0)] = 32 * 1024 * 1024
    """RxDB: the largest body of a push. Each row carries its document twice, and a client never sends fewer rows."""

    rxdb_min_schema_versions: Annotated[tuple[str, ...], NoDecode] = ()
    """RxDB: the lowest schema version that is served, by collection (`todo=2,note=1`); clients below it get 426."""

    @field_validator("rxdb_min_schema_versions", mode="before")
    @classmethod
    def _versions_are_a_comma_list(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(pair.strip() for pair in value.split(",") if pair.strip())
        return value

    @field_validator("rxdb_min_schema_versions")
    @classmethod
    def _versions_are_of_collections(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pair in value:
            if not _LEAST_VERSION.fullmatch(pair):
                raise ValueError(f"{pair!r} has to be COLLECTION=VERSION, for example todo=2")
        return value

    @property
    def least_versions(self) -> Mapping[str, int]:
        """The lowest schema version that is served, by collection; 0 for any other."""
        pairs = [pair.partition("=") for pair in self.rxdb_min_schema_versions]
        return {collection: int(version) for collection, _, version in pairs}
