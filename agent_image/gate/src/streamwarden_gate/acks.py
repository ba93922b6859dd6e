"""The gate's state on ``<ns>.streamwarden.gates``: one record for each change, the newest one until it is delivered.

The ready file follows it: a gate is ready while its policies are current.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from streamwarden_contract import decision, policylog
from streamwarden_contract.acks import (
    MAX_KEY_IDS,
    MOST_BYTES_OF_ONE,
    GateAck,
    GateState,
    ReadFormats,
    RefusedEvents,
    RuleErrors,
    SignedEpochs,
    ack_key,
)
from streamwarden_contract.audit import METADATA_FORMAT
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_kafka.codes import REFUSED_FOR_ITSELF, error_of

from streamwarden_gate.ack_sizes import in_fewer_words
from streamwarden_gate.ready import ReadyFile
from streamwarden_gate.snapshot import Identity

_log = structlog.get_logger(__name__)

_MAX_MESSAGE_LENGTH = 1024
_READS = ReadFormats(
    decision=decision.NEWEST_FORMAT, policy_log=policylog.NEWEST_FORMAT, offset_metadata=METADATA_FORMAT
)


@dataclass(frozen=True, slots=True)
class Report:
    """What is in force now, and what is wrong."""

    state: GateState
    reason: str = ""
    message: str = ""
    namespace_epoch: int = 0
    guardrail_epoch: int = 0
    policies: tuple[PolicyRef, ...] = ()
    epochs: SignedEpochs | None = None
    """The signed records behind the two numbers."""
    rule_errors: tuple[RuleErrors, ...] = ()
    """Rules that err."""
    refused_events: tuple[RefusedEvents, ...] = ()
    """Whose events the agent refuses."""


class Acks:
    """Writes the reports of one gate."""

    def __init__(
        self, identity: Identity, producer: Producer, ready: ReadyFile, key_ids: Callable[[], tuple[str, ...]] = tuple
    ) -> None:
        self._identity = identity
        self._producer = producer
        self._ready = ready
        self._key_ids = key_ids
        self._topic = identity.names.shared.gates
        self._last: tuple[Report, tuple[str, ...]] | None = None
        self._key = ack_key(identity.agent, identity.pod)
        self._wordings: list[GateAck | None] = []
        """The newest ack, and what is said in its place while it is too large: the first of them is to be written."""
        self._undelivered = False
        """Whether that one has to be written again."""
        self._said = set[str]()
        """Why states were not written, since one was."""

    def report(self, report: Report) -> None:
        """Write the report unless it says what the last one said.

        Raises:
            FatalError: the ready file cannot be made or removed.
        """
        key_ids = self._key_ids()[:MAX_KEY_IDS]
        if (report, key_ids) == self._last:
            return
        self._last = report, key_ids
        _log.info(
            "gate state changed",
            state=report.state,
            reason=report.reason,
            detail=report.message,
            namespace_epoch=report.namespace_epoch,
            guardrail_epoch=report.guardrail_epoch,
        )
        self._ready.show(ready=report.state == "InForce")
        newest = GateAck(
            namespace=self._identity.namespace,
            agent=self._identity.agent,
            agent_uid=self._identity.agent_uid,
            pod=self._identity.pod,
            state=report.state,
            reason=report.reason,
            message=report.message[:_MAX_MESSAGE_LENGTH],
            namespace_epoch=report.namespace_epoch,
            guardrail_epoch=report.guardrail_epoch,
            key_ids=key_ids,
            policies=report.policies,
            epochs=report.epochs,
            formats=_READS,
            rule_errors=report.rule_errors,
            refused_events=report.refused_events,
            reported_at_ms=time.time_ns() // 1_000_000,
        )
        # Twice as it is: an older one may have been in the batch that was too large.
        self._wordings = [newest, newest, *in_fewer_words(newest)]
        self._send()

    def serve(self) -> None:
        """Take delivery reports, and repeat an ack that was not delivered, shorter if it was too large. Never waits."""
        self._producer.poll(0)
        if self._undelivered:
            self._send()

    def stop(self, report: Report, *, timeout_s: float) -> None:
        """Write a last report and wait for it, at most ``timeout_s``."""
        self.report(report)
        left = self._producer.flush(timeout_s)
        if left:
            _log.warning("the last state was not delivered", records=left)

    def _send(self) -> None:
        wordings = self._wordings

        def delivered(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                self._said.clear()
                return
            self._warn("a state was not delivered", error.name())
            if wordings is self._wordings:  # else a newer one has followed, and it would stand as the last word
                self._refused(error)

        self._undelivered = False
        value = _text_of(wordings)
        try:
            self._producer.produce(self._topic, key=self._key, value=value, on_delivery=delivered)
        except BufferError:
            self._warn("a state was not written", "QueueFull")
            self._undelivered = True
            return
        except KafkaException as refused:
            error = error_of(refused)
            self._warn("a state was not written", error.name())
            self._refused(error)
            return
        self._producer.poll(0)

    def _refused(self, error: KafkaError) -> None:
        """Write it again with the next turn of the loop; in fewer words where it was too large."""
        if error.code() in REFUSED_FOR_ITSELF and len(self._wordings) > 1:
            del self._wordings[0]
        self._undelivered = True

    def _warn(self, event: str, error: str) -> None:
        """Say an error once, until a state is delivered: the state is written again at each turn of the loop."""
        if error not in self._said:
            self._said.add(error)
            _log.warning(event, error=error, topic=self._topic)


def _text_of(wordings: list[GateAck | None]) -> bytes | None:
    """Return the first wording that the operator reads, and drop those before it; None: a tombstone."""
    while (ack := wordings[0]) is not None:
        text = ack.encode()
        if len(text) <= MOST_BYTES_OF_ONE:
            return text
        del wordings[0]
    return None
