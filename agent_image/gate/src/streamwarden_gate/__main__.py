"""``python -m streamwarden_gate``: stands between one agent and the topics it commands.

Exit codes: 0 stopped by SIGTERM or SIGINT, 1 cannot go on (Kubernetes starts it again), 2 bad configuration,
3 no memory (the supervisor starts it again).
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import structlog
from streamwarden_contract.runtime_config import ENV_LAST_WORDS
from streamwarden_kafka.process_limits import EXIT_OUT_OF_MEMORY

from streamwarden_gate.acks import Acks, Report
from streamwarden_gate.committer import KafkaCommitter
from streamwarden_gate.errors import ConfigError, FatalError
from streamwarden_gate.feed import PolicyFeed
from streamwarden_gate.kafka import plain_producer
from streamwarden_gate.logs import configure_logs
from streamwarden_gate.loop import GateLoop
from streamwarden_gate.membership import KafkaMembership
from streamwarden_gate.note import Note
from streamwarden_gate.ports import Links
from streamwarden_gate.public_keys import PublicKeyFile
from streamwarden_gate.ready import ReadyFile
from streamwarden_gate.settings import Settings, read_settings
from streamwarden_gate.stop import Stop
from streamwarden_gate.supervised import attach

_log = structlog.get_logger(__name__)

_STOP_TIMEOUT_S = 5.0


def main() -> int:
    """Run a gate until it is told to stop, and return the exit code."""
    configure_logs()
    try:
        settings = read_settings()
        keys = PublicKeyFile(settings.public_keys)
    except ConfigError as error:
        _log.error("bad configuration", detail=str(error))
        _say_why(str(error))
        return 2
    note, before_batch = attach()
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        return _run(settings, keys, stop, note, before_batch)
    except (MemoryError, SystemError):  # the second is what a client says that could not copy a record
        os._exit(EXIT_OUT_OF_MEMORY)  # at once: what else there is to do may want memory too


def _run(settings: Settings, keys: PublicKeyFile, stop: Stop, note: Note, before_batch: Callable[[], None]) -> int:
    acks = Acks(settings.identity, plain_producer(settings.kafka), ReadyFile(settings.ready_file), lambda: keys.ids)
    feed = PolicyFeed(settings, keys)
    feed.start()
    try:
        loop = GateLoop(
            _links(settings, feed, acks, note, before_batch),
            pod=settings.identity.pod,
            max_batch=settings.max_batch,
            max_staleness_s=settings.max_staleness_s,
            max_rate=settings.max_rate,
            stop=stop,
        )
        loop.run()
    except FatalError as error:
        _log.error("the gate cannot go on", error=type(error).__name__, detail=str(error))
        _say_why(str(error))
        acks.stop(Report("Stopped", type(error).__name__.removesuffix("Error"), str(error)), timeout_s=_STOP_TIMEOUT_S)
        return 1
    finally:
        feed.stop(timeout_s=_STOP_TIMEOUT_S)
    acks.stop(Report("Stopped"), timeout_s=_STOP_TIMEOUT_S)
    return 0


def _links(settings: Settings, feed: PolicyFeed, acks: Acks, note: Note, before_batch: Callable[[], None]) -> Links:
    names = settings.identity.names
    membership = KafkaMembership(settings.kafka, names.gate_group, names.decisions, note)
    transactional_id = names.gate_transactional_id(settings.identity.pod)
    committer = KafkaCommitter(settings.kafka, transactional_id, names.decisions, membership.member.metadata)
    return Links(membership, committer, feed, acks, note, before_batch)


def _say_why(problem: str) -> None:
    """Leave word of why the process ends, for whoever looks at the pod; the log has it too."""
    if path := os.environ.get(ENV_LAST_WORDS):
        Path(path).write_text(problem, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
