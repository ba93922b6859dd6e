"""Structured logs on stderr, Kafka's client included."""

import logging
import sys
from collections import Counter

import structlog
from typing_extensions import override

_QUIET_S = 10.0
"""A client without a broker complains twenty times a second."""


def configure_logs() -> None:
    """Write each log line as one JSON object on stderr."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


def client_logger() -> logging.Logger:
    """Return the logger to hand to Kafka's clients, which would write plain text to stderr otherwise."""
    logger = logging.getLogger("streamwarden.kafka")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(_ToStructlog())
    return logger


class _ToStructlog(logging.Handler):
    """Passes lines on; of those of one kind in quick succession only the first, and later how many there were."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[str, float] = {}
        self._left_out: Counter[str] = Counter()

    @override
    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        kind = line.partition(" ")[0]  # as in "FAIL [rdkafka#consumer-1] ..."
        if record.created - self._told.get(kind, 0) < _QUIET_S:
            self._left_out[kind] += 1
            return
        self._told[kind] = record.created
        left_out = self._left_out.pop(kind, 0)
        structlog.get_logger().log(record.levelno, "Kafka client", line=line, left_out=left_out)
