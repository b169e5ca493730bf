"""No random history leaves a reader behind, and each wrong rule leaves one behind in the way that it has to."""

import os
from random import Random

import pytest

from model import histories, planted, readers
from model.histories import Lacks, ReadsForEver, diverged
from model.user_log import Server

FEW_HISTORIES = 500
count = int(os.environ.get("SYNCLINE_MODEL_HISTORIES", FEW_HISTORIES))


@pytest.mark.timeout(4 * 3600 if count > FEW_HISTORIES else 120)
def test_no_history_leaves_a_reader_behind() -> None:
    for seed in range(count):
        histories.run(seed)


@pytest.mark.parametrize(
    ("wrong", "kind", "seeds"),
    [
        pytest.param(wrong, kind, range(*seeds), id=wrong.__name__)
        for wrong, kind, seeds in (
            (planted.OneCircleInThree, Lacks, (0, 5)),
            (planted.HeadOfACutPage, Lacks, (0, 5)),
            (planted.SameSessionKnows, Lacks, (0, 5)),
            (planted.MergedCountsAsKnown, Lacks, (100, 175)),
            (planted.ExpiredIsForgiven, Lacks, (0, 10)),
            (planted.ExpiredIsUnchanged, Lacks, (1_500, 1_506)),
            (planted.LossByPosition, Lacks, (0, 50)),
            (planted.PurgeByPosition, ReadsForEver, (0, 20)),
            (planted.ChunkCountsAsRead, Lacks, (3, 12)),
            (planted.HeadForEveryBarePush, Lacks, (0, 5)),
            (planted.OneRowASession, Lacks, (0, 5)),
            (planted.AnyTypeShows, Lacks, (25, 50)),
            (planted.SkippedCountsAsRead, Lacks, (0, 10)),
            (planted.SkippedVouchesForNothing, Lacks, (895, 900)),
        )
    ],
)
def test_a_wrong_rule_leaves_a_reader_behind(wrong: type[Server], kind: type[histories.Diverged], seeds: range) -> None:
    found = diverged(wrong, seeds, kind)
    assert found is not None
    assert diverged(Server, seeds) is None


def test_a_shown_token_reads_nothing_again() -> None:
    server = Server(Random(1))
    for index in range(20):
        server.write(("note", str(index)))
    token = server.pull("s", None, 100, ["note"])[0].token
    token, _ = server.push("s", token, [(("note", "own"), "set")])
    assert server.pull("s", token, 100, ["note"])[0].rows == ()


@pytest.mark.parametrize(("count", "shown"), [(16, True), (17, False)])
def test_a_token_names_at_most_sixteen_types(count: int, shown: bool) -> None:
    kinds = [f"kind{index}" for index in range(count)]
    token = Server(Random(1)).pull("s", None, 10, kinds)[0].token
    assert readers.shows(token, kinds[:1]) is shown


def test_pages_along_a_skip_are_the_rows_that_the_total_counts() -> None:
    server = Server(Random(1))
    for index in range(25):
        server.write(("note", str(index)))
    pages = [server.pull("s", None, 10, ["note"], skip)[0] for skip in (0, 10, 20)]
    assert [page.has_more for page in pages] == [True, True, False]
    assert {page.total for page in pages} == {25}
    assert len({row.entity for page in pages for row in page.rows}) == 25
