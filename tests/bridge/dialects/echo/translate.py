"""How this dialect's messages map to the contract's, and back."""

from collections.abc import Sequence

import msgspec

from bridge.dialects.echo.models import Echoes, Shout
from syncline.v1 import sync_pb2
from syncline_bridge.failure import RefusedError, invalid

TYPE = "word"


def push_request(name: str, shout: Shout, max_letters: int) -> sync_pb2.PushRequest:
    """Translate a shout; raises RefusedError for one that is too loud."""
    if len(shout.word) > max_letters:
        raise RefusedError(invalid(f"word: has more than {max_letters} letters."))
    change = sync_pb2.Change(
        entity_type=TYPE, entity_id=name, action=sync_pb2.ACTION_CREATE, data=msgspec.json.encode(shout)
    )
    return sync_pb2.PushRequest(changes=[change])


def pull_request() -> sync_pb2.PullRequest:
    """Ask for all words."""
    return sync_pb2.PullRequest(entity_types=[TYPE])


def stream_request() -> sync_pb2.StreamPullRequest:
    """Ask for all words, and for those to come."""
    return sync_pb2.StreamPullRequest(entity_types=[TYPE], follow=True)


def echoes(changes: Sequence[sync_pb2.Change]) -> Echoes:
    """Translate what was found."""
    return Echoes([msgspec.json.decode(change.data, type=Shout).word for change in changes])
