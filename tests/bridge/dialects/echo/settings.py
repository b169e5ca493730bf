"""The knobs of this dialect."""

from typing import Annotated

from pydantic import Field

from syncline_bridge.knobs import Knobs


class EchoSettings(Knobs):
    """Say how loud one may be."""

    echo_max_letters: Annotated[int, Field(ge=1)] = 10
    """Echo: the longest word that is taken."""
