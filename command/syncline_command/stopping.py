"""What ends a process that serves: a signal, or the end of the process that started it."""

import asyncio
import os
import signal
import stat
import sys
from typing import Any, Final, NoReturn

from syncline_command.descriptors import watch_descriptors
from syncline_command.parsing import CommandFailed

_READ_BYTES: Final = 4096


def stop_signal(*, exit_with_parent: bool = False) -> asyncio.Event:
    """Return an event that SIGTERM, SIGINT and SIGHUP set, and the parent's end if that is asked for.

    SIGHUP, of a terminal that is closed, would end a process at once and without a word; one that was started to
    outlive its terminal (nohup) goes on ignoring it. A parent that dies, even one that is killed, leaves its end of our
    standard input closed. Raises CommandFailed where standard input is no pipe.
    """
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, _stop, number, stop)
    if exit_with_parent:
        _require_pipe(sys.stdin.fileno())
        loop.add_reader(sys.stdin.fileno(), _stop_at_end, sys.stdin.fileno(), stop)
    return stop


async def wait_for(stop: asyncio.Event, *failing: "asyncio.Future[NoReturn]") -> None:
    """Wait for the stop signal. Raises what ends one of the others before."""
    stopped = asyncio.create_task(stop.wait())
    waiting: list[asyncio.Future[Any]] = [stopped, asyncio.create_task(watch_descriptors()), *failing]
    try:
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()
    for one in done - {stopped}:
        one.result()


def _stop(number: signal.Signals, stop: asyncio.Event) -> None:
    import structlog

    structlog.get_logger(__name__).info("stopping: calls in progress may finish", signal=number.name)
    stop.set()


def _require_pipe(descriptor: int) -> None:
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISFIFO(mode) and not stat.S_ISSOCK(mode):
        raise CommandFailed("to exit with its parent a process needs a pipe of the parent's as its standard input")


def _stop_at_end(descriptor: int, stop: asyncio.Event) -> None:
    if os.read(descriptor, _READ_BYTES):
        return
    # A closed pipe stays readable: watched on, it would take a whole core while calls are finished.
    asyncio.get_running_loop().remove_reader(descriptor)
    stop.set()
