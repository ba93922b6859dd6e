"""Acks that are too large: never does the one before stand for what the gate says now."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, Message
from streamwarden_contract.acks import GateAck, RuleErrors, decode_ack
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_gate.acks import Acks, Report
from streamwarden_gate.ready import ReadyFile
from streamwarden_gate.snapshot import Identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOO_LARGE = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
REFS = tuple(PolicyRef(namespace="risk", name=f"policy-{number}", revision=1) for number in range(6_000))


def erring(rules: int) -> tuple[RuleErrors, ...]:
    return tuple(RuleErrors(policy=REFS[0], rule=f"r{n}", at_least=1, message="x" * 500) for n in range(rules))


class Topic:
    """What a producer has written to a topic that takes no record above a size.

    Attributes:
        most: bytes of the largest record.
        beside: bytes of an older record in the batch of the first one.
    """

    def __init__(self, most: int, *, at_once: bool, beside: int = 0) -> None:
        self.most, self.beside = most, beside
        self.values: list[bytes | None] = []
        self._at_once = at_once
        self._reports: list[Callable[[], None]] = []

    def produce(self, _topic: str, *, key: bytes, value: bytes | None, on_delivery: object) -> None:
        size, self.beside = self.beside + len(key) + len(value or b""), 0
        if refused := size > self.most:
            if self._at_once:
                raise KafkaException(TOO_LARGE)
        else:
            self.values.append(value)
        tell = cast("Callable[[KafkaError | None, Message], None]", on_delivery)
        self._reports.append(lambda: tell(TOO_LARGE if refused else None, Message()))

    def poll(self, _timeout: float) -> int:
        reports, self._reports = self._reports, []
        for report in reports:
            report()
        return len(reports)


def told(topic: Topic, *reports: Report, ready: Path | None = None) -> list[GateAck | None]:
    """Say them, one after the other, and return all that the topic then holds."""
    identity = Identity("risk", "guard", "u", "pod-0", "streamwarden")
    acks = Acks(identity, topic, ReadyFile(ready))  # type: ignore[arg-type]  # all of a producer that acks use
    for report in reports:
        acks.report(report)
        for _ in range(10):
            acks.serve()
    return [value if value is None else decode_ack(value) for value in topic.values]


@pytest.mark.parametrize("at_once", [True, False], ids=["by-the-client", "by-the-broker"])
def test_what_matters_least_is_left_out_first(at_once: bool) -> None:  # noqa: FBT001  # a parameter of the test
    before, now = Report("InForce", policies=REFS[:1]), Report("InForce", policies=REFS[:5], rule_errors=erring(16))
    _, last = told(Topic(2_000, at_once=at_once), before, now)
    assert last is not None
    assert (last.state, last.policies, last.rule_errors) == ("InForce", REFS[:5], ())


@pytest.mark.parametrize("at_once", [True, False], ids=["by-the-client", "by-the-broker"])
def test_who_cannot_say_its_policies_claims_none_to_be_in_force(at_once: bool, tmp_path: Path) -> None:  # noqa: FBT001  # a parameter of the test
    """It judges by them all the same, and stays ready."""
    before, now = Report("InForce", policies=REFS[:1]), Report("InForce", policies=REFS[:100], namespace_epoch=7)
    _, last = told(Topic(2_000, at_once=at_once), before, now, ready=tmp_path / "ready")
    assert last is not None
    assert (last.state, last.reason, last.policies) == ("Rejected", "AckTooLarge", ())
    assert last.message.startswith("it judges by 100 policies, which it cannot say")
    assert last.namespace_epoch == 7
    assert (tmp_path / "ready").exists()


def test_a_state_that_is_not_in_force_keeps_its_own_reason() -> None:
    [last] = told(Topic(2_000, at_once=True), Report("Rejected", "RolledBack", "because", policies=REFS[:100]))
    assert last is not None
    assert (last.state, last.reason, last.message, last.policies) == ("Rejected", "RolledBack", "because", ())


def test_where_not_even_few_words_fit_the_ack_before_is_taken_back() -> None:
    assert told(Topic(100, at_once=False), Report("InForce")) == [None]


def test_what_the_operator_would_not_read_is_not_written() -> None:
    """It reads at most 256 KiB of an ack, also where the topic takes a megabyte."""
    [last] = told(Topic(1_000_000, at_once=False), Report("InForce", policies=REFS))
    assert last is not None
    assert (last.state, last.reason) == ("Rejected", "AckTooLarge")


def test_an_ack_that_fits_loses_nothing_by_an_older_one_in_its_batch() -> None:
    [last] = told(Topic(2_000, at_once=False, beside=1_900), Report("InForce", rule_errors=erring(1)))
    assert last is not None
    assert len(last.rule_errors) == 1


def test_a_later_state_that_fits_is_said_in_full() -> None:
    *_, last = told(Topic(2_000, at_once=False), Report("InForce", policies=REFS), Report("InForce", policies=REFS[:2]))
    assert last is not None
    assert (last.state, last.policies) == ("InForce", REFS[:2])
