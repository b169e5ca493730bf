"""How log lines look; configured once, by the process that owns the terminal."""

import logging
import sys
import traceback

import structlog

from syncline import words
from syncline.tracebacks import LEFT_OUT, TracebackLimit

_OF_SEVERAL_LINES = frozenset({"exception", "stack"})


def configure(level: str, log_format: str) -> None:
    """Write structured lines to standard error; the standard library's loggers (uvicorn, grpc) look the same."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    few = _FewTracebacks()
    structlog.configure(
        processors=[*shared, few, _printable, _renderer(log_format)],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[
                _without_text,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                few,
                _printable,
                _renderer(log_format),
            ],
        )
    )
    # uvicorn and asyncio tell at info what our own lines tell already.
    logging.basicConfig(level=max(threshold, logging.WARNING), handlers=[handler], force=True)


def described(error: BaseException) -> dict[str, str]:
    """Describe an exception by type and place; its text may quote what a client sent, so it stays out of the log."""
    return {"error": type(error).__qualname__, "stack": "".join(traceback.format_tb(error.__traceback__))}


class _FewTracebacks:
    """Leaves tracebacks out of the log when there are many."""

    def __init__(self) -> None:
        self._limit = TracebackLimit()

    def __call__(self, _: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if "stack" in event and not self._limit.allows_one():
            event["stack"] = LEFT_OUT
        return event


def _printable(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Keep what a client sent from writing to the terminal: lines of its own, colours, titles."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = words.printable(value, kept="\n" if key in _OF_SEVERAL_LINES else "")
    return event


def _without_text(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    raised = event.pop("exc_info", None)
    if isinstance(raised, tuple) and isinstance(raised[1], BaseException):
        event.update(described(raised[1]))
    return event


def _renderer(log_format: str) -> structlog.typing.Processor:
    if log_format == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer()
