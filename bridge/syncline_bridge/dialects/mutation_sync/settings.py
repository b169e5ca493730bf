"""The knobs of this dialect."""

from typing import Annotated

from pydantic import Field

from syncline_bridge.knobs import Knobs


class MutationSyncSettings(Knobs):
    """Say how much goes into one request and one answer."""

    mutation_default_page_size: Annotated[int, Field(ge=1, le=1000)] = 100
    """Mutation sync: how many mutations are on a page when the client does not say."""

    mutation_max_page_size: Annotated[int, Field(ge=1, le=1000)] = 1000
    """Mutation sync: the largest page that a client may ask for."""

    mutation_max_batch_size: Annotated[int, Field(ge=1, le=500)] = 100
    """Mutation sync: how many mutations a client may send at once."""

    @property
    def page_size(self) -> int:
        """How many mutations are on a page when the client does not say: never more than it may ask for."""
        return min(self.mutation_default_page_size, self.mutation_max_page_size)
