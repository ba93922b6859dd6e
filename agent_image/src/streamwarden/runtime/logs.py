"""Structured logs on stderr, Kafka's client included."""

import logging
import sys

import structlog
from typing_extensions import override


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
    @override
    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(record.levelno, "Kafka client", line=record.getMessage())
