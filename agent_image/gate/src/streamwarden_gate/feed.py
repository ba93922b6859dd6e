"""Reads the two policy topics in a thread of its own and offers the newest set that may judge."""

import math
import threading
import time
from dataclasses import dataclass

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from streamwarden_kafka.clients import open_admin
from streamwarden_kafka.codes import END_OF_PARTITION, error_of
from streamwarden_kafka.errors import BrokerUnavailableError
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.records import TopicFacts, headers_of
from streamwarden_kafka.topics import TopicWatch, describe_topics

from streamwarden_gate.active import ActiveSet
from streamwarden_gate.ends import Ends
from streamwarden_gate.errors import ConfigError, SetRefusedError
from streamwarden_gate.freshness import Freshness
from streamwarden_gate.kafka import policy_consumer
from streamwarden_gate.policy_topic import Refusal
from streamwarden_gate.public_keys import PublicKeyFile
from streamwarden_gate.reasons import RefusalReason
from streamwarden_gate.settings import Settings
from streamwarden_gate.snapshot import Snapshot

_log = structlog.get_logger(__name__)

_POLL_S = 0.1
_BATCH = 500
_REQUEST_TIMEOUT_S = 10.0
_RETRY_S = 1.0
_ASK_EVERY_S, _QUESTIONS = 5.0, 6
"""How often the ends of the topics are asked for: several times before the policies count as outdated."""
_REPEATED = frozenset({RefusalReason.TOPIC_MISMATCH, RefusalReason.KAFKA_UNAVAILABLE})
"""What may heal without a new record: a topic's metadata takes a while to spread."""
_ENDING = frozenset({RefusalReason.BINDING_MISSING, RefusalReason.AGENT_MISMATCH})
"""What a verified log says when this gate's agent is no more: nothing may be judged any longer."""


@dataclass(frozen=True, slots=True)
class View:
    """What the feed offers."""

    active: ActiveSet | None = None
    """The set that may judge, or None: nothing may be judged."""
    problem: Refusal | None = None
    """Why a newer set, or any, is not offered."""


class PolicyFeed:
    """Follows the policy log until it is stopped."""

    def __init__(self, settings: Settings, keys: PublicKeyFile) -> None:
        self.view = View()
        """Replaced as a whole, so that any thread may read it."""
        self.proven_at_s = -math.inf
        """Monotonic seconds: all that was published before is in ``view``. It only grows."""
        self._settings = settings
        self._keys = keys
        self._stop = threading.Event()
        self._settled = threading.Event()
        """Set unless something was read that is not in the view yet."""
        self._settled.set()
        self._thread = threading.Thread(target=self._run, name="policy-feed", daemon=True)
        self._facts: dict[str, TopicFacts] = {}

    def start(self) -> None:
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still follows the log."""
        return self._thread.is_alive()

    def settle(self, timeout_s: float) -> None:
        """Wait until what was read is in ``view``, at most ``timeout_s``: see the port."""
        self._settled.wait(timeout_s)

    def stop(self, *, timeout_s: float) -> None:
        """Ask it to end and wait, at most ``timeout_s``."""
        self._stop.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        group = self._settings.identity.names.gate_group
        consumer = policy_consumer(self._settings.kafka, group)
        admin = self._open_admin()
        try:
            cluster_id = self._cluster_id(consumer)
            while not self._stop.is_set():
                self._wait_for(cluster_id, consumer)
                self._follow(consumer, admin, cluster_id)
        finally:
            self._settled.set()
            consumer.close()

    def _open_admin(self) -> AdminClient:
        return open_admin(self._settings.kafka, ClientLog("policy-admin", quiet=True))

    def _cluster_id(self, consumer: Consumer) -> str:
        while not self._stop.is_set():
            try:
                if cluster_id := consumer.cluster_id(timeout=_REQUEST_TIMEOUT_S):
                    return cluster_id
            except KafkaException as error:
                _log.warning("cannot ask for the cluster id", error=error_of(error).name())
            self.view = View(problem=Refusal(RefusalReason.KAFKA_UNAVAILABLE, "the broker does not answer"))
            self._stop.wait(_RETRY_S)
        return ""

    def _wait_for(self, cluster_id: str, consumer: Consumer) -> None:
        """Judge nothing as long as another Kafka answers than the one that this process began with.

        A mirror may have the same topics at the same offsets: what was commanded there must not be commanded twice.
        """
        while not self._stop.is_set() and (now := self._cluster_id(consumer)) != cluster_id:
            message = f"the Kafka that answers now is {now!r}, and this gate began with {cluster_id!r}"
            if self.view.problem is None or self.view.problem.message != message:
                _log.error("another Kafka cluster answers", now=now, began_with=cluster_id)
            self.view = View(problem=Refusal(RefusalReason.ANOTHER_CLUSTER, message))
            self._stop.wait(_RETRY_S)

    def _follow(self, consumer: Consumer, admin: AdminClient, cluster_id: str) -> None:
        """Read both topics from their beginning until the gate stops, or the public keys, a topic or the Kafka change.

        A topic that is made again has the same name and other records, and the client goes on at its position.
        """
        snapshot = Snapshot(self._settings.identity, cluster_id=cluster_id, keys=self._keys)
        ids, watch = self._topic_ids(snapshot, admin), TopicWatch(lambda: admin, snapshot.topics)
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING) for topic in snapshot.topics])
        ended: set[str] = set()
        freshness = Freshness(snapshot.topics)
        every_s = min(_ASK_EVERY_S, self._settings.max_staleness_s / _QUESTIONS)
        ends = Ends(admin, self._open_admin, snapshot.topics, freshness, every_s=every_s)
        changed, retry_at = True, 0.0
        while not self._stop.is_set() and not self._keys_changed() and self._cluster_id(consumer) == cluster_id:
            if others := watch.others(ids, time.monotonic()):
                _log.warning("a policy topic is another one now: both are read anew", topics=sorted(others))
                return
            ends.follow()
            for message in _receive(consumer):
                self._settled.clear()
                changed = _take(message, snapshot, ended, freshness) or changed
            due = changed or (retry_at and time.monotonic() >= retry_at)
            if due and len(ended) == len(snapshot.topics):
                self.view = self._evaluate(snapshot, admin)
                changed = False
                repeat = self.view.problem is not None and self.view.problem.reason in _REPEATED
                retry_at = time.monotonic() + _RETRY_S if repeat else 0.0
            self._settled.set()
            # After the view: what is proven to be read is in it.
            self.proven_at_s = max(self.proven_at_s, freshness.proven_at_s)

    def _topic_ids(self, snapshot: Snapshot, admin: AdminClient) -> dict[str, str]:
        """Ask which topics these are, before anything of them is read; an empty one for a topic that is not there."""
        while not self._stop.is_set():
            try:
                found = describe_topics(admin, snapshot.topics, timeout_s=_REQUEST_TIMEOUT_S)
            except BrokerUnavailableError as error:
                _log.warning("cannot ask which topics hold the policies", error=str(error))
                self._stop.wait(_RETRY_S)
            else:
                return dict.fromkeys(snapshot.topics, "") | {name: facts.topic_id for name, facts in found.items()}
        return {}

    def _evaluate(self, snapshot: Snapshot, admin: AdminClient) -> View:
        last_good, binding = self.view.active, snapshot.binding
        if self._is_settled(snapshot):
            return self.view
        try:
            facts = self._topic_facts(snapshot, admin)
            active = snapshot.build(facts, last_good)
        except SetRefusedError as error:
            self._facts.clear()
            problem = snapshot.refusal(binding) or Refusal(error.reason, str(error))
            _log.warning("policy set refused", reason=problem.reason, detail=problem.message)
            ending = error.reason in _ENDING and problem.reason is error.reason
            return View(None if ending else last_good, problem)
        return View(active, snapshot.refusal(binding))

    def _is_settled(self, snapshot: Snapshot) -> bool:
        """Tell whether the view says already all that the log says."""
        view = self.view
        if view.active is None or view.problem is not None or snapshot.refusal(snapshot.binding) is not None:
            return False
        return snapshot.epochs == (view.active.namespace_epoch, view.active.guardrail_epoch)

    def _topic_facts(self, snapshot: Snapshot, admin: AdminClient) -> dict[str, TopicFacts]:
        """Ask the broker for the topics that the binding names, once for each answer that fits."""
        binding = snapshot.binding
        if binding is None:
            return {}
        names = {binding.decision_topic.name, binding.audit_topic}
        if names != self._facts.keys():
            try:
                self._facts = describe_topics(admin, sorted(names), timeout_s=_REQUEST_TIMEOUT_S)
            except BrokerUnavailableError as error:
                raise SetRefusedError(RefusalReason.KAFKA_UNAVAILABLE, str(error)) from error
        return self._facts

    def _keys_changed(self) -> bool:
        try:
            return self._keys.refresh()
        except ConfigError as error:
            _log.warning("the public keys cannot be read; those known before stay valid", error=str(error))
            return False


def _receive(consumer: Consumer) -> list[Message]:
    first = consumer.poll(_POLL_S)
    return [] if first is None else [first, *consumer.consume(_BATCH, timeout=0)]


def _take(message: Message, snapshot: Snapshot, ended: set[str], freshness: Freshness) -> bool:
    """Feed one message, and tell whether the set may be another one now."""
    topic, offset, error = message.topic() or "", message.offset(), message.error()
    if error is not None:
        if error.code() == END_OF_PARTITION and offset is not None:
            freshness.reached(topic, offset)
            ended.add(topic)
            return True
        _log.warning("cannot read a policy topic", topic=topic, error=error.name())
        return False
    refusal = snapshot.feed(topic, message.key(), message.value(), headers_of(message))
    assert offset is not None  # noqa: S101  # a record has a place
    freshness.reached(topic, offset + 1)
    if refusal is not None:
        _log.warning("policy record refused", reason=refusal.reason, detail=refusal.message, offset=message.offset())
    return True
