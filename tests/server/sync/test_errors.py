"""The tree of errors, its picture, and the one table that turns them into statuses."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncline.v1 import sync_pb2
from syncline_server.rpc.status import STATUS_OF
from syncline_server.sync import errors
from syncline_server.sync.errors import SyncError

PROTO = Path(__file__).parents[3] / "protos/syncline/v1/sync.proto"
NOT_OF_AN_ERROR = {"ERROR_REASON_UNSPECIFIED", "ERROR_REASON_INTERNAL"}


def leaves(kind: type[SyncError] = SyncError) -> Iterator[type[SyncError]]:
    subclasses = kind.__subclasses__()
    if not subclasses:
        yield kind
    for subclass in subclasses:
        yield from leaves(subclass)


def tree(kind: type[SyncError], depth: int = 0) -> Iterator[tuple[int, str]]:
    yield depth, kind.__name__
    for subclass in kind.__subclasses__():
        yield from tree(subclass, depth + 1)


def test_every_leaf_has_a_status_and_nothing_else_has():
    assert set(STATUS_OF) == set(leaves())


def test_no_two_errors_share_a_reason():
    reasons = [reason for _, reason in STATUS_OF.values()]
    assert len(reasons) == len(set(reasons))


def test_every_reason_of_the_contract_is_given():
    given = {sync_pb2.ErrorReason.Name(reason) for _, reason in STATUS_OF.values()}
    assert given == set(sync_pb2.ErrorReason.keys()) - NOT_OF_AN_ERROR


def test_a_reason_is_the_name_of_its_error():
    for error, (_, reason) in STATUS_OF.items():
        words = re.sub(r"(?<!^)(?=[A-Z])", "_", error.__name__).upper()
        assert sync_pb2.ErrorReason.Name(reason) == f"ERROR_REASON_{words}"


def test_each_reason_says_in_the_contract_with_which_code_it_comes():
    proto = PROTO.read_text(encoding="utf-8")
    for code, reason in STATUS_OF.values():
        name = sync_pb2.ErrorReason.Name(reason)
        comment = re.search(rf"((?:  //[^\n]*\n)+)  {name} = ", proto)
        assert comment is not None, name
        assert comment[1].strip().startswith(f"// {code.name}:"), name


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    drawn = re.findall(r"^ {4}((?:[│ ] {3})*)((?:[├└]── )?)(\w+)", errors.__doc__ or "", re.MULTILINE)
    assert [(len(rails + branch) // 4, name) for rails, branch, name in drawn] == list(tree(SyncError))


@pytest.mark.parametrize("error", list(leaves()), ids=lambda error: error.__name__)
def test_an_error_says_what_happened_in_its_docstring(error: type[SyncError]):
    assert error.__doc__
