"""How log lines look: structured, on stderr, never with payloads, tokens or keys."""

import logging
import sys

import structlog

from syncline import words
from syncline.tracebacks import LEFT_OUT, TracebackLimit

_OF_SEVERAL_LINES = frozenset({"exception", "stack"})


def configure_logs(level: str, log_format: str) -> None:
    """Send all logging of the process, structlog's and the standard library's, through one renderer."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        cache_logger_on_first_use=False,
    )
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    final: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _FewTracebacks(),
        # Not left to the renderer: it prints local variables, and so payloads and tokens.
        structlog.processors.format_exc_info,
        _printable,
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*final, renderer]))
    logging.basicConfig(level=threshold, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # At debug it tells every statement with its parameters: ids, data and keys.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)


class _FewTracebacks:
    """Leaves tracebacks out of the log when there are many."""

    def __init__(self) -> None:
        self._limit = TracebackLimit()

    def __call__(self, _: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if event.get("exc_info") and not self._limit.allows_one():
            raised = event.pop("exc_info")
            error = raised[1] if isinstance(raised, tuple) else raised
            event["exception"] = f"{type(error).__qualname__}; its traceback is {LEFT_OUT}"
        return event


def _printable(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Keep what a client sent from writing to the terminal: lines of its own, colours, titles."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = words.printable(value, kept="\n" if key in _OF_SEVERAL_LINES else "")
    return event
