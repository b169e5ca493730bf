"""How log lines look: structured, on stderr, never with payloads, tokens or keys."""

import logging
import sys

import structlog


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
    # Not the default: it prints local variables, and so payloads and tokens.
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    final: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if log_format == "json":
        final.append(structlog.processors.format_exc_info)
        renderer = structlog.processors.JSONRenderer()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*final, renderer]))
    logging.basicConfig(level=threshold, handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # At debug it tells every statement with its parameters: ids, data and keys.
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
