"""How far a long command has come: one line on a terminal, nothing in a pipe."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_of(work: str) -> Iterator[Callable[[int, int], None]]:
    """Yield what is told of so many bytes of so many, while `work` is done."""
    if not sys.stderr.isatty():
        yield lambda _done, _size: None
        return

    def report(done: int, size: int) -> None:
        share = done * 100 // size if size else 100
        print(f"\r{work}: {done >> 20} of {size >> 20} MiB, {share} %\x1b[K", end="", file=sys.stderr, flush=True)

    try:
        yield report
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
