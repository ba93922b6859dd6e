"""Each bad thing, done to one loop that goes on running: what the gate must say, and then a good decision's command.

A row: its name (with its number in the fault catalogue, where it has one), what is written or broken, what must come of
it, and nothing else. Where the loop cannot go on by itself, what mends it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import KafkaError, Producer
from streamwarden_contract import events
from support import bad_logs, loop_world
from support.agent_process import stop
from support.gate_decisions import headers_for, proposals
from support.gate_world import PARTITIONS
from support.loop_faults import (
    HEADERS,
    KEY,
    NOTHING,
    RIGHT_PARTITION,
    Fault,
    good_policies,
    replaced,
    written,
)
from support.loop_poison import OUTAGES, POISON
from support.loop_world import Running, dead_letter, denied, given_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from support.gate_world import GateWorld
    from support.kafka_tools import Cluster
    from support.loop_world import Loop, Mark
    from support.policy_log import LogRecord, SigningKey

PROGRAM = Path(__file__).parents[2] / "support" / "agents" / "pages.py"
RAISING_LINE = 1 + PROGRAM.read_text("utf-8").splitlines().index('        raise RuntimeError("cannot judge this one")')
RELEASE = events.CloudEvent(id="r", source="/operator", type="streamwarden.release", subject="page-7")


def too_large_for_the_topic(loop: Loop) -> None:
    producer = Producer({**loop.gate.agent_properties, "message.max.bytes": 4_000_000})
    errors: list[KafkaError | None] = []
    value = b"\x00" * 1_500_000
    producer.produce(loop.gate.names.decisions, value, KEY, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(30) == 0
    assert [error and error.code() for error in errors] == [KafkaError.MSG_SIZE_TOO_LARGE]


def published_and_observed(rule: str, loop: Loop) -> None:
    loop.publish(rule)
    loop.observe()


def rolled_back(loop: Loop) -> None:
    """Write an older epoch's log again, which would allow what the newer denies."""
    older = loop.gate.signed(loop.gate.records({"confident": ("true",)}))
    loop.gate.write_log(older)
    loop.publish("false")
    loop.gate.write_log(older)
    loop.wait_ack("Rejected", "RolledBack", loop.in_force)
    loop.observe()


def read_by_the_gate_that_runs(write: Callable[[GateWorld], None]) -> Callable[[Loop], None]:
    return lambda loop: write(loop.gate)


def taken_by_another_agent(loop: Loop) -> None:
    """Bind the gate's agent anew under another UID: the policies that it has are not its own any more."""
    bad_logs.another_uid(loop.gate)
    loop.wait_ack("Rejected", "AgentMismatch", 0)
    loop.observe_and_wait()


def read_by_a_new_gate(write: Callable[[GateWorld], None]) -> Callable[[Loop], None]:
    """Let this be the whole log, and start a gate; what is decided then has to wait."""

    def happens(loop: Loop) -> None:
        loop.gate.cluster.delete_records(loop.gate.policies)
        write(loop.gate)
        loop.restart_gate()
        loop.observe_and_wait()

    return happens


def deleted_before_the_gate_starts(loop: Loop) -> None:
    """Delete the policy as the operator does: a new gate finds it and then its tombstone, and another's alone."""
    loop.gate.cluster.delete_records(loop.gate.policies)
    loop.gate.publish()
    tombstones: list[LogRecord] = [(b"policy/compacted", None, []), (b"policy/confident", None, [])]
    loop.gate.write_log([*tombstones, *loop.gate.signed(loop.gate.records({}))])
    loop.restart_gate()
    loop.observe()


def named_by_its_position_only(loop: Loop, since: Mark) -> None:
    """What the agent gave up on is told by its place, on the partition of its entity, and never by its bytes."""
    [(failure, record)] = loop.failures(since)
    [event] = loop.inputs_at(failure.cause.partition, failure.cause.offset)
    assert failure.cause.topic == loop.agent.topic
    assert (record.key(), record.partition()) == (event.key(), event.partition())
    assert b"secret" not in (record.value() or b"")
    [letter] = loop.dead_letters(since)
    assert letter["cause"] == failure.cause.model_dump(exclude_none=True)
    assert "secret" not in str(letter)


def nothing_of_its_bytes(loop: Loop, since: Mark) -> None:
    assert [letter["value"] for letter in loop.dead_letters(since)] == [None]


def by_the_rule(loop: Loop, since: Mark) -> None:
    assert [audit["rule"] for audit in loop.audits(since)] == ["confident/r0"]


# What an agent can write onto its own decision topic, with its own credentials, to get round its gate.
FORGED = [
    Fault("F62-an-sw-header", written(headers=[*HEADERS, ("sw-verdict", b"Allow")]), dead_letter("ReservedHeader")),
    Fault(
        "F62-a-signed-release",
        written(headers=[*RELEASE.headers(), ("sw-signature", b"0" * 64)]),
        dead_letter("ReservedHeader"),
    ),
    Fault("a-release-record", written(headers=RELEASE.headers()), dead_letter("MalformedHeaders")),
    Fault(
        "duplicate-JSON-keys",
        written(value=replaced(b'"entity"', b'"entity":"page-8","entity"')),
        dead_letter("MalformedValue"),
    ),
    Fault("anothers-entity", written(value=proposals([8])[0][1]), dead_letter("EntityMismatch")),
    Fault("anothers-subject", written(headers=headers_for(8)), dead_letter("EntityMismatch")),
    Fault("the-wrong-partition", written(partition=(RIGHT_PARTITION + 1) % PARTITIONS), dead_letter("WrongPartition")),
    Fault("a-null-key", written(key=None), dead_letter("MissingKey")),
    Fault("F60-a-null-value", written(value=None), dead_letter("MalformedValue")),
    Fault("F58-broken-UTF-8", written(value=replaced(b"block", b"bl\xffck")), dead_letter("MalformedValue")),
    Fault("F58-NaN", written(value=replaced(b"0.9", b"NaN")), dead_letter("MalformedValue")),
    Fault(
        "F56-depth-10000",
        written(value=replaced(b'{"number":7}', b'{"number":' + b"[" * 10_000 + b"]" * 10_000 + b"}")),
        dead_letter("MalformedValue"),
    ),
    Fault(
        "F61-oversized", written(value=replaced(b'"number":7', b'"number":7' + b" " * 70_000)), dead_letter("TooLarge")
    ),
    Fault(
        "F61-compressed-megabytes",
        written(value=b"\x00" * 6_000_000, how={"message.max.bytes": 8_000_000, "compression.type": "gzip"}),
        dead_letter("TooLarge"),
        also=nothing_of_its_bytes,
    ),
    Fault("F61-above-the-topics-limit-which-the-broker-refuses", too_large_for_the_topic),
]

# What comes in that an agent cannot decide about.
UNDECIDABLE = [
    Fault(
        "F60-an-event-that-always-fails",
        lambda loop: loop.observe(poison=True),
        given_up("Handle", 2, f"RuntimeError: cannot judge this one (pages.py:{RAISING_LINE} in judge)"),
        also=named_by_its_position_only,
    ),
    Fault(
        "F60-an-event-that-cannot-be-decoded",
        lambda loop: loop.observe(b"{secret"),
        given_up(
            "Decode",
            1,
            "MalformedEventError: not JSON: Expecting property name enclosed in double quotes at character 1",
        ),
        also=named_by_its_position_only,
    ),
]

# Policies that are rightly published and cannot be held.
POLICIES = [
    Fault(
        "F51-an-expression-that-errors-denies",
        partial(published_and_observed, "decision.parameters.nothing > 1"),
        denied("RuleError"),
        mended=good_policies,
        also=by_the_rule,
    ),
    Fault(
        "F50-a-rule-that-does-not-compile-denies-what-it-covers",
        partial(published_and_observed, "decision.confidence >="),
        denied("RuleError"),
        mended=good_policies,
        also=by_the_rule,
    ),
    Fault(
        "F46-a-policy-is-deleted-before-the-gate-starts-and-denies-what-it-covered",
        deleted_before_the_gate_starts,
        denied("NoPolicy"),
        mended=good_policies,
    ),
    Fault("F45-an-older-epoch-written-again", rolled_back, denied("RuleNotSatisfied"), "RolledBack", good_policies),
]

# Policy logs that no gate may take: one that runs keeps what was good, but for another agent's; one that starts judges
# nothing.
LOGS = [
    ("F49-unsigned", bad_logs.unsigned, "Unsigned"),
    ("F49-signed-by-a-stranger", bad_logs.signed_by_a_stranger, "BadSignature"),
    ("F49-a-policy-is-tampered-with", bad_logs.tampered, "BadSignature"),
    ("F49-the-binding-is-incomplete", bad_logs.incomplete, "BindingIncomplete"),
    ("F49-a-policy-has-another-digest", bad_logs.other_digest, "DigestMismatch"),
    ("F34-the-binding-is-for-another-topic", bad_logs.another_topic, "TopicMismatch"),
    ("F46-a-tombstone-stands-in-a-policys-place", bad_logs.without_its_policy, "BindingIncomplete"),
    ("F49-a-policy-is-of-a-later-format", bad_logs.later_policy, "Unreadable"),
    ("F49-the-binding-is-of-a-later-format", bad_logs.later_binding, "Unreadable"),
    ("F49-the-epoch-is-of-a-later-format", bad_logs.later_epoch, "Unreadable"),
]
ANOTHER_AGENT = "F21-the-binding-is-another-agents"
BAD_LOGS = [
    Fault(f"{ANOTHER_AGENT}-while-the-gate-runs", taken_by_another_agent, NOTHING, "AgentMismatch", good_policies),
    Fault(
        f"{ANOTHER_AGENT}-when-the-gate-starts",
        read_by_a_new_gate(bad_logs.another_uid),
        NOTHING,
        "AgentMismatch",
        good_policies,
    ),
]
BAD_LOGS += [
    fault
    for name, write, reason in LOGS
    for fault in (
        Fault(f"{name}-while-the-gate-runs", read_by_the_gate_that_runs(write), ack=reason),
        Fault(f"{name}-when-the-gate-starts", read_by_a_new_gate(write), ack=reason, mended=good_policies),
    )
]

# What dies.
KILLS = [
    Fault("F67-the-gate-is-killed", lambda loop: loop.kill_gate()),
    Fault("F67-the-agent-is-killed", lambda loop: loop.kill_agent()),
]
FAULTS = [*FORGED, *POISON, *OUTAGES, *UNDECIDABLE, *POLICIES, *BAD_LOGS, *KILLS]


@pytest.fixture(scope="module")
def running(cluster: Cluster, signing_key: SigningKey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    made = Running(
        lambda: loop_world.build(cluster, tmp_path_factory.mktemp("loop"), f"t{uuid4().hex[:10]}", signing_key)
    )
    yield made
    made.close()


@pytest.fixture
def loop(running: Running) -> Loop:
    """One loop that has to survive all rows; only after one that failed there is another."""
    return running.sound_loop()


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in FAULTS])
def test_what_is_bad_is_named_and_the_loop_goes_on(loop: Loop, fault: Fault) -> None:
    since = loop.mark()
    fault.happens(loop)

    if fault.ack:
        loop.wait_ack("Rejected", fault.ack, 0 if loop.waiting else loop.in_force)
    loop.wait_seen(fault.expected, since)
    if fault.also is not None:
        fault.also(loop, since)
    since = loop.mark()
    if fault.mended is not None:
        fault.mended(loop)
    loop.give_a_good_decision(since)
    loop.sound = True


def test_whatever_came_nothing_is_commanded_twice_and_the_chains_are_whole(loop: Loop) -> None:
    loop.give_a_good_decision(loop.mark())
    commanded = loop.command_ids()
    assert len(set(commanded)) == len(commanded)
    loop.check_audit()
    assert [process.poll() for process in (*loop.gate.processes, *loop.agent.processes)] == [None, None]
    assert stop(loop.agent.processes.pop()) == 0
    assert stop(loop.gate.processes.pop()) == 0
