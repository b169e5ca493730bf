"""Small histories in which nothing is wrong, to plant a fault in."""

from syncline_verify.history import Bid, Entity, Entry, Mark, Overheard, Reader, Recovery, Reread, RunHistory

ADA, BOB = "ada", "bob"
CANARIES = {"canary-ada0": ADA, "canary-b0b0": BOB}
CANARY_OF = {user: canary for canary, user in CANARIES.items()}


def entity(number: int, user: str = ADA, entity_type: str = "todo") -> Entity:
    return Entity(user, entity_type, f"e{number}")


def entry(revision: int, number: int | None = None, user: str = ADA, deleted: bool = False) -> Entry:
    """Return a version; unless a number is given, the one of an entity of its own."""
    content = None if deleted else f'{{"v": {revision}, "c": "{CANARY_OF[user]}"}}'.encode()
    return Entry(entity(revision if number is None else number, user), revision, content)


def good() -> RunHistory:
    """Return a history that has something for every check.

    Ada pushes 1 and 2 at once, then 3; Bob pushes 4; Ada pushes 5 and 6 at once, of which 5 moves her first entity;
    she deletes her second one.
    """
    history = RunHistory(once={entity(3), entity(4, BOB), entity(6)}, canaries=dict(CANARIES))
    gone = entry(7, 2, deleted=True)
    for push in ([entry(1), entry(2)], [entry(3)], [entry(4, user=BOB)], [entry(5, 1), entry(6)], [gone]):
        history.acknowledge(push)
    history.acknowledge([entry(6)])  # a retry of its push's last change
    pages = history.reader("pages of ada", ADA)
    pages.take([entry(1)], "t1")
    pages.take([entry(2), entry(3)], "t3", complete=True)
    pages.take([entry(5, 1), entry(6), gone], "t7", complete=True)
    stream = history.reader("stream of ada", ADA)
    stream.at_end = False
    stream.take([entry(2), entry(3)], "t3")
    firehose = history.reader("firehose")
    log = [entry(3), entry(4, user=BOB), entry(5, 1), entry(6), gone]
    firehose.take(log, "t7", complete=True)
    history.log = Reader("log", entries=list(log))
    history.rereads.append(Reread(pages, Mark("t3", 3), log[2:]))
    history.rereads.append(Reread(stream, Mark("t3", 2), log[2:]))
    history.recoveries.append(Recovery(4, list(log)))
    history.bids += [Bid(ADA, 3, applied=True), Bid(ADA, 3, applied=False), Bid(BOB, 3, applied=True)]
    history.overheard.append(Overheard(ADA, "no such entity: canary-ada0"))
    return history
