"""What is said of an agent, check by check, in the order of importance."""

from __future__ import annotations

from dataclasses import replace

import pytest
from streamwarden_contract.acks import GateAck
from streamwarden_contract.policylog import BindingRecord
from streamwarden_operator.desired.checks import agents as checks
from streamwarden_operator.desired.checks.chain import Finding, decide, first_finding
from streamwarden_operator.desired.policy_log import build_binding
from streamwarden_operator.desired.status import true
from streamwarden_operator.errors import KafkaUnavailableError
from streamwarden_operator.ports import Topic
from support.operator_harness import agent, contract, resolved

GUARD = resolved(agent())
SHARED = GUARD.names.shared
DECISIONS = GUARD.names.decisions
OBSERVED = {
    name: Topic(name, partitions=3, topic_id=f"id-of-{name}")
    for name in (SHARED.audit, SHARED.dead_letters, SHARED.policies, SHARED.gates, DECISIONS, "risk.pages")
}
WANTED = build_binding(GUARD, decisions=OBSERVED[DECISIONS], audit=OBSERVED[SHARED.audit])
RECORD = BindingRecord(
    epoch=1,
    revision=1,
    namespace=WANTED.namespace,
    agent=WANTED.agent,
    agent_uid=WANTED.agent_uid,
    labels=dict(WANTED.labels),
    decisions=dict(WANTED.decisions),
    inputs=WANTED.inputs,
    decision_topic=WANTED.decision_topic,
    audit_topic=WANTED.audit_topic,
    audit_topic_id=WANTED.audit_topic_id,
    dead_letter_topic=WANTED.dead_letter_topic,
    policies=(),
)
WAY_ON = "To pass over it, unjudged: streamwarden gate skip risk/guard --partition P --to OFFSET --reason TEXT"
OUTAGE = KafkaUnavailableError("no broker answers")


def says(finding: Finding | None, expected: tuple[str, str] | None) -> bool:
    """Tell whether a finding is False for this reason, with these words in it; or, of None, that there is none."""
    if finding is None or expected is None:
        return finding is None and expected is None
    return (finding.status, finding.reason) == ("False", expected[0]) and expected[1] in finding.message


def without(*topics: str) -> dict[str, Topic]:
    return {name: topic for name, topic in OBSERVED.items() if name not in topics}


def remade(topic: str) -> dict[str, Topic]:
    return {**OBSERVED, topic: replace(OBSERVED[topic], topic_id="another")}


@pytest.mark.parametrize(
    ("ready", "found"),
    [
        pytest.param(
            (),
            ("RefNotReady", "the TopicContract 'pages' has no topic yet"),
            id="the-first-contract-without-a-topic-is-named",
        ),
        pytest.param(("pages",), ("RefNotReady", "the TopicContract 'commands' has no topic yet"), id="then-the-next"),
        pytest.param(("pages", "commands"), None, id="all-contracts-have-topics"),
    ],
)
def test_contracts(ready: tuple[str, ...], found: tuple[str, str] | None) -> None:
    contracts = []
    for name in ("pages", "commands"):
        made = contract(name)
        status = made.status.model_copy(update={"conditions": (true("TopicReady"),) if name in ready else ()})
        contracts.append(made.model_copy(update={"status": status}))
    finding = first_finding(checks.CONTRACTS, replace(GUARD, contracts=tuple(contracts)))
    assert says(finding, found)


def seen(
    observed: dict[str, Topic] = OBSERVED, binding: BindingRecord | None = None, *, log_read: bool = True
) -> checks.AgentTopics:
    return checks.AgentTopics(GUARD, observed, log_read, binding)


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        pytest.param(seen(), None, id="everything-is-there"),
        pytest.param(seen(binding=RECORD), None, id="the-decision-topic-is-the-one-of-the-binding"),
        pytest.param(seen(log_read=False), ("Pending", "are being made"), id="the-log-was-never-read"),
        pytest.param(
            seen(without(SHARED.gates, "risk.pages")), ("Pending", "are being made"), id="shared-topics-come-first"
        ),
        pytest.param(
            seen(without("risk.pages", DECISIONS), RECORD),
            ("RefNotReady", "the topics risk.pages are not there"),
            id="then-the-inputs",
        ),
        pytest.param(seen(without(DECISIONS)), None, id="no-decision-topic-before-the-first-binding"),
        pytest.param(
            seen(without(DECISIONS), RECORD),
            ("OffsetsLost", "was deleted: its records"),
            id="the-decision-topic-is-gone",
        ),
        pytest.param(
            seen(remade(DECISIONS), RECORD), ("OffsetsLost", "was deleted and made again"), id="or-another-of-its-name"
        ),
    ],
)
def test_topics(topics: checks.AgentTopics, expected: tuple[str, str] | None) -> None:
    assert says(first_finding(checks.TOPICS, topics), expected)


@pytest.mark.parametrize(
    ("published", "withheld", "outage", "expected"),
    [
        pytest.param(RECORD, (), None, None, id="published"),
        pytest.param(RECORD, (), OUTAGE, None, id="an-outage-does-not-matter-to-what-is-published"),
        pytest.param(RECORD, ("a", "b"), None, ("InvalidExpression", "the policies a, b select"), id="withheld"),
        pytest.param(None, ("a",), OUTAGE, ("InvalidExpression", "the policies a select"), id="withheld-comes-first"),
        pytest.param(None, (), None, ("Pending", "is about to be published"), id="not-yet"),
        pytest.param(None, (), OUTAGE, ("NotPublished", "no broker answers"), id="cannot-be"),
        pytest.param(
            RECORD.model_copy(update={"agent_uid": "another"}), (), None, ("Pending", "is about to"), id="of-another"
        ),
    ],
)
def test_the_binding(
    published: BindingRecord | None,
    withheld: tuple[str, ...],
    outage: KafkaUnavailableError | None,
    expected: tuple[str, str] | None,
) -> None:
    assert says(first_finding(checks.BINDING, checks.AgentBinding(WANTED, published, withheld, outage)), expected)


def gate(state: str, pod: str = "pod-0", **said: str) -> GateAck:
    known = {"namespace": "risk", "agent": "guard", "agent_uid": "u", "reported_at_ms": 1}
    return GateAck.model_validate({**known, "pod": pod, "state": state, **said})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            checks.AgentGates([], asleep=True),
            ("True", "ScaledToZero", "no pod is wanted as long as there is no lag"),
            id="at-zero",
        ),
        pytest.param(
            checks.AgentGates([gate("InForce"), gate("Rejected", "pod-1", message="LowerEpoch")]),
            ("False", "RejectedByGate", "gate pod-1 refuses its policies: LowerEpoch"),
            id="one-that-refuses-comes-before-one-that-judges",
        ),
        pytest.param(
            checks.AgentGates([gate("Rejected", "pod-1", reason="TooManySkips", message="offset 9 would be skipped")]),
            (
                "False",
                "RejectedByGate",
                f"gate pod-1 is halted: offset 9 would be skipped. {WAY_ON}",
            ),
            id="X11-one-is-halted-and-people-are-told-the-way-on",
        ),
        pytest.param(
            checks.AgentGates([gate("InForce"), gate("InForce", "pod-1", reason="RecordsSkipped", message="offset 5")]),
            ("True", "RecordsSkipped", "gate pod-1: offset 5"),
            id="X07-one-has-skipped-records",
        ),
        pytest.param(
            checks.AgentGates(
                [
                    gate("InForce", reason="RecordsSkipped", message="offset 5"),
                    gate("InForce", "pod-1", reason="DecisionsInOpenTransaction", message="offset 12"),
                ]
            ),
            ("False", "DecisionsInOpenTransaction", "gate pod-1: offset 12"),
            id="a-transaction-that-stays-open-comes-before-what-was-skipped",
        ),
        pytest.param(
            checks.AgentGates([gate("InForce"), gate("Stale", "pod-1", message="for more than 30 s")]),
            ("False", "GateStale", "gate pod-1 judges nothing: for more than 30 s"),
            id="X03-one-that-may-be-outdated-comes-before-one-that-judges",
        ),
        pytest.param(
            checks.AgentGates([gate("InForce"), gate("Stale", "pod-1", reason="CommitsFailing", message="since noon")]),
            ("False", "CommitsFailing", "gate pod-1 commits nothing: since noon"),
            id="one-that-can-commit-nothing-comes-before-one-that-judges",
        ),
        pytest.param(
            checks.AgentGates([gate("InForce"), gate("InForce", "pod-1", reason="InvalidSchema", message="no regex")]),
            ("False", "RejectedByGate", "gate pod-1 denies some decisions: no regex"),
            id="X13-one-that-denies-what-does-not-compile-comes-before-one-that-judges-all",
        ),
        pytest.param(
            checks.AgentGates([gate("Starting"), gate("InForce", "pod-1")]), ("True", "OK", ""), id="one-judges"
        ),
        pytest.param(
            checks.AgentGates([gate("Starting"), gate("Starting", "pod-1", reason="NoBinding")]),
            ("False", "GateNotReady", "pod-0: Starting; pod-1: NoBinding"),
            id="none-judges",
        ),
        pytest.param(
            checks.AgentGates([]),
            ("False", "GateNotReady", "no gate of this agent has reported yet"),
            id="none-is-there",
        ),
    ],
)
def test_gates(found: checks.AgentGates, expected: tuple[str, str, str]) -> None:
    said = decide("GateReady", checks.GATES, found)
    assert (said.status, said.reason, said.message) == expected
