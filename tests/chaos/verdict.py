"""What is wrong with what clients were told, once all is quiet."""

from random import Random

from chaos.load import Load
from system import checks

_MARKS = 3
"""Of each reader that are read from again."""


async def problems(load: Load) -> list[str]:
    """Run every check over a load that has come to its end; no problem is an empty list."""
    await load.settle()
    found = checks.check(load.history)
    drawn = Random(load.seed)
    log = await load.log()
    for reader in load.history.readers:
        for mark in drawn.sample(reader.marks, min(_MARKS, len(reader.marks))):
            again = await load.read_again(reader, mark)
            found += checks.skipped(log, reader, mark, again.entries)
    told = [f"{kind}: {who}, {what}" for kind, who, what in found]
    told += [f"written twice: {entity}" for entity in await load.written_twice()]
    told += [f"a conflict where there can be none: {one}" for one in load.answers.conflicts]
    return told + [problem async for problem in load.app_problems(log)]
