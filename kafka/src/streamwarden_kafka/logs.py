"""The one way to hear librdkafka: its own lines, which else go to stderr, and what it says of its connections."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping

import structlog
from confluent_kafka import KafkaError

from streamwarden_kafka.redaction import redact

_QUIET_S = 10.0
"""A client without a broker complains twenty times a second."""


def _ignore(_error: KafkaError) -> None:
    """Where nobody listens."""


class ClientLog:
    """What one client says. Give it to the client as ``logger``, and its ``on_error`` as ``error_cb``.

    Both are called only while the client is polled, flushed or closed.
    """

    def __init__(
        self, client: str, *, quiet: bool = False, on_error: Callable[[KafkaError], None] | None = None
    ) -> None:
        """Prepare.

        Args:
            client: what it is for; every line bears it.
            quiet: log at level debug. For who tells of outages in another way, as by a condition.
            on_error: told every error of a connection, as often as librdkafka tells.
        """
        self._client = client
        self._quiet = quiet
        self._listener = on_error or _ignore
        self._log = structlog.get_logger(__name__)
        self._told_s: dict[str, float] = {}
        self._left_out: Counter[str] = Counter()
        self._secrets: Mapping[str, str] = {}

    def hide(self, secrets: Mapping[str, str]) -> None:
        """Repeat none of these settings: neither their values, nor parts that librdkafka tells beside their names."""
        self._secrets = {**self._secrets, **secrets}

    def heard_by(self, on_error: Callable[[KafkaError], None]) -> "ClientLog":
        """Return another log of the same kind, for one client whose errors ``on_error`` is told."""
        log = ClientLog(self._client, quiet=self._quiet, on_error=on_error)
        log.hide(self._secrets)
        return log

    def log(self, level: int, _template: str, *values: object) -> None:
        """Take one of librdkafka's lines: facility, client and text come as three values."""
        text = redact(" ".join(str(value) for value in values), self._secrets)
        if level >= logging.WARNING:
            self._tell(str(values[0]) if values else "", text)
        else:
            self._log.debug("kafka client", client=self._client, detail=text)

    def on_error(self, error: KafkaError) -> None:
        """Take an error of a connection; librdkafka repeats it for every attempt."""
        text = redact(error.str(), self._secrets)
        if text != error.str():
            error = KafkaError(error.code(), text, error.fatal(), error.retriable(), error.txn_requires_abort())
        self._listener(error)
        self._tell(error.name(), text)

    def _tell(self, kind: str, text: str) -> None:
        """Log the first line of a kind in ten seconds, and how many like it were left out before."""
        if self._quiet:
            self._log.debug("kafka client", client=self._client, error=kind, detail=text)
            return
        now_s = time.monotonic()
        if now_s - self._told_s.get(kind, -_QUIET_S) < _QUIET_S:
            self._left_out[kind] += 1
            return
        self._told_s[kind] = now_s
        left_out = self._left_out.pop(kind, 0)
        self._log.warning("kafka client", client=self._client, error=kind, detail=text, left_out=left_out)
