"""What is wrong with what clients were told, once all is quiet."""

from random import Random

from chaos.load import USERS, Load
from syncline_verify.checks import check
from syncline_verify.history import Reader, Reread

_MARKS = 3
"""How many marks of each reader are read from again."""


async def problems(load: Load) -> list[str]:
    """Run every check over a load that has come to its end; no problem is an empty list."""
    await load.settle()
    drawn = Random(load.seed)
    log, history = await load.log(), load.history
    # What apps of the dialects wrote is compared by itself: they are not told revisions.
    history.log = Reader("log", entries=[entry for entry in log.entries if entry.entity.user in USERS])
    for reader in history.readers:
        for mark in drawn.sample(reader.marks, min(_MARKS, len(reader.marks))):
            history.rereads.append(Reread(reader, mark, (await load.read_again(reader, mark)).entries))
    told = [str(problem) for problem in check(history)]
    told += [f"written twice: {entity}" for entity in await load.written_twice()]
    told += [f"a conflict where there can be none: {one}" for one in load.answers.conflicts]
    return told + [problem async for problem in load.app_problems(log)]
