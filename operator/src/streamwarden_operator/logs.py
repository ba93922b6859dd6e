"""Structured logs on stderr: JSON, or lines for people where it is a terminal. Libraries' logs take the same way."""

import logging
import sys
from typing import Literal

import structlog

_QUIET = ("kopf.objects", "httpx")
"""They speak once an event: at warnings only."""

_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
"""Local variables may hold passwords."""


_OURS = ("streamwarden_operator", "streamwarden_kafka")

LogLevel = Literal["debug", "info", "warning", "error"]


def _for_people() -> structlog.dev.ConsoleRenderer:
    """Make lines for a terminal; structlog's own tracebacks show local variables where rich is installed."""
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


def configure_logging(level: LogLevel = "info") -> None:
    """Send all logs to stderr.

    Args:
        level: the least urgent that is shown. Libraries say at ``debug`` what they say at ``info``: what they would say
            besides, as answers of the API server, may be secret.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    terminal = sys.stderr.isatty()
    renderer = _for_people() if terminal else structlog.processors.JSONRenderer(ensure_ascii=False)
    before = [] if terminal else [_TRACEBACKS]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *before, renderer],
        )
    )
    logging.basicConfig(level=max(threshold, logging.INFO), handlers=[handler], force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    for name in _OURS:
        logging.getLogger(name).setLevel(threshold)
