"""Judging one record, without Kafka: decode, check, 20 rules, command and audit record.

CPU time of rounds of 100 records. The smallest round says what it costs where nothing disturbs; the median, what it
costs on this machine now. Each part is measured by itself in the same run: parts that run alone fit better into caches,
so that their sum is less than the whole.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from harness import ROOT, RULES, Figures, Goal, Result, percentile
from streamwarden_contract import decision, events
from streamwarden_contract.audit import ChainHead
from streamwarden_contract.partitioner import partition_of
from streamwarden_contract.policylog import CommandTarget
from streamwarden_gate.judge import Judge
from streamwarden_gate.records import Record
from streamwarden_judging.engine import Engine

sys.path.insert(0, str(ROOT / "tests"))  # the same world as the tests'

from support.gate_decisions import proposals  # needs the path above
from support.gate_log import AGENT, NAMESPACE, PARTITIONS, MemoryLog  # likewise
from support.gate_world import SCHEMA  # likewise
from support.policy_log import binding_record, epoch_record, policy_record, policy_spec, schema_record  # likewise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamwarden_contract.canonical import JsonValue
    from streamwarden_gate.active import ActiveSet
    from streamwarden_judging.typed.facts import CoerceDecision

NAME = "judge"
RECORDS, ROUNDS = 100, 300
GOALS = (Goal("judge_us", "below", 40), Goal("judge_p99_us", "below", 100))


def run() -> Result:
    """Measure, and return the figures."""
    active, records = active_set(), _records()
    judge, engine = Judge(active, "pod-0"), Engine(active.policies, active.agent_facts, _typed(active))
    plain = plain_decisions()
    now = events.time_of(time.time_ns() // 1_000_000)

    def whole() -> None:
        head = ChainHead()
        for record in records:
            outcome = judge.judge(record, head, events.time_of(time.time_ns() // 1_000_000))
            head = outcome.head
            assert outcome.command is not None

    parts: dict[str, Callable[[], object]] = {
        "judge": whole,
        "headers": lambda: [events.decode(record.headers, strict=True) for record in records],
        "value": lambda: [decision.decode_decision(record.value or b"") for record in records],
        "partition": lambda: [partition_of(record.key or b"", PARTITIONS) for record in records],
        "rules": lambda: [engine.judge("block", each, now) for each in plain],
    }
    figures: Figures = {}
    for name, measured in parts.items():
        found = _rounds(measured)
        figures[f"{name}_us"], figures[f"{name}_median_us"] = min(found), percentile(found, 0.5)
    singles = _singles(judge, records)
    figures["judge_p50_us"], figures["judge_p99_us"] = percentile(singles, 0.5), percentile(singles, 0.99)
    figures = {name: round(value, 2) for name, value in figures.items()}
    notes = (
        f"{len(RULES)} rules in one policy; CPU time of rounds of {RECORDS} records, the smallest of {ROUNDS}",
        "p50 and p99: wall time of single records",
    )
    return Result(NAME, figures, GOALS, notes)


def active_set() -> ActiveSet:
    """Return the set of one policy with all rules."""
    log, schema = MemoryLog(), schema_record(SCHEMA)
    log.write_guardrails()
    policies = [policy_record(NAMESPACE, "confident", policy_spec(*RULES))]
    targets = {"block": CommandTarget(topic="risk.commands", keyed=True, schema_sha256=schema.sha256)}
    log.write(*policies, schema, binding_record(NAMESPACE, AGENT, policies, targets), epoch_record())
    return log.build()


def plain_decisions() -> list[dict[str, JsonValue]]:
    """Return the decisions as rules see them."""
    return [decision.decode_decision(record.value or b"")[1] for record in _records()]


def _typed(active: ActiveSet) -> dict[str, CoerceDecision]:
    return {name: target.typed for name, target in active.targets.items() if target.typed is not None}


def _records() -> list[Record]:
    stamp = time.time_ns() // 1_000_000
    return [
        Record(key, value, headers, partition_of(key or b"", PARTITIONS), offset, stamp)
        for offset, (key, value, headers) in enumerate(proposals(range(RECORDS)))
    ]


def _rounds(measured: Callable[[], object]) -> list[float]:
    """Return microseconds of CPU a record, by round."""
    found: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        measured()
        found.append((time.process_time_ns() - began) / 1_000 / RECORDS)
    return found


def _singles(judge: Judge, records: Sequence[Record]) -> list[float]:
    """Return microseconds of wall time, record by record."""
    found: list[float] = []
    for _ in range(ROUNDS // 3):
        for record in records:
            began = time.perf_counter_ns()
            judge.judge(record, ChainHead(), events.time_of(time.time_ns() // 1_000_000))
            found.append((time.perf_counter_ns() - began) / 1_000)
    return found


if __name__ == "__main__":
    print(run().write().read_text())
