"""The conformance corpus (``tests/conformance``): its files, and the gate's judging path in a case's situation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from streamwarden_contract.audit import ChainHead
from streamwarden_contract.models.policy import PolicySpec
from streamwarden_contract.names import InstallationNames
from streamwarden_contract.policylog import CommandTarget, SchemaRecord
from streamwarden_gate.judge import Judge
from streamwarden_gate.snapshot import Identity, Snapshot
from streamwarden_judging.typed.checking import checker_for
from streamwarden_judging.typed.facts import Covered, rule_types
from streamwarden_kafka.records import TopicFacts
from support.conformance_records import record_of
from support.gate_log import CLUSTER, MemoryKeys
from support.policy_log import SigningKey, binding_record, epoch_record, policy_record, schema_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamwarden_contract import policylog
    from streamwarden_gate.active import ActiveSet
    from streamwarden_gate.outcome import Outcome
    from streamwarden_gate.records import Record

FOLDER = Path(__file__).parents[1] / "conformance"
OFFERED: frozenset[str] = frozenset({"typed"})
"""What files may need and the engine has: the one place to switch on."""

POD = "pod-0"
_KEY = SigningKey()
_GUARDRAILS = InstallationNames().guardrails
_DEFAULTS: Mapping[str, Any] = {
    "agent": {"namespace": "risk", "name": "guard", "uid": "uid-1", "labels": {"role": "test"}},
    "decisions": {"block": {"topic": "risk.commands", "keyed": True, "schema": None}},
    "policies": [],
    "partitions": 3,
    "checked": True,
    "now": "2026-01-31T12:00:00Z",
}
_SAYS: Mapping[object, Mapping[str, Any]] = {
    True: {"verdict": "Allow", "reason": "RulesHold", "rule": None},
    False: {"verdict": "Deny", "reason": "RuleNotSatisfied", "rule": "p/r"},
    "error": {"verdict": "Deny", "reason": "RuleError", "rule": "p/r"},
    "deny": {"verdict": "Deny"},
}


@dataclass(frozen=True)
class Case:
    """A situation and the records that are judged in it, one after the other."""

    file: str
    needs: str | None
    situation: Mapping[str, Any] = field(repr=False)
    said: Mapping[str, Any] = field(repr=False)
    """As the file says it."""

    @property
    def skipped(self) -> str:
        """Why it is not judged: what it needs is not there yet; empty where it is judged."""
        return "" if self.needs is None or self.needs in OFFERED else f"needs {self.needs}"

    @cached_property
    def judged(self) -> list[tuple[Record, ChainHead, Outcome]]:
        """Each record with its partition's chain before it, and what follows from it."""
        heads: dict[int, ChainHead] = {}
        found = []
        for number, said in enumerate(self.said["records"]):
            situation = with_rule(self.situation, said)
            given = record_of(said, number, situation["partitions"])
            head = heads.get(given.partition, ChainHead(namespace_epoch=1, guardrail_epoch=1))
            now = datetime.fromisoformat(situation["now"]).astimezone(UTC)
            outcome = Judge(active_set(situation), POD).judge(given, head, now)
            heads[given.partition] = outcome.head
            found.append((given, head, outcome))
        return found


@dataclass(frozen=True)
class Row:
    """One record of a case, and what is expected of it."""

    case: Case
    number: int
    said: Mapping[str, Any] = field(repr=False)

    @property
    def sentence(self) -> str:
        """What it says, unique in the corpus."""
        parts = [self.case.file, self.case.said["case"], self.said.get("when")]
        return ": ".join(part for part in parts if part)


@cache
def cases() -> list[Case]:
    """Read every case of the corpus."""
    return [case for path in sorted((FOLDER / "cases").glob("*.yaml")) for case in _cases_of(path)]


def _cases_of(path: Path) -> Iterator[Case]:
    content = read(path)
    base = with_rule(_DEFAULTS, content.get("given", {}))
    for said in content["cases"]:
        situation = with_rule(with_rule(base, said.get("given", {})), said)
        yield Case(path.stem, content.get("needs"), situation, said)


def read(path: Path) -> dict[str, Any]:
    """Read one file."""
    content: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506  # a safe one
    return content


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the fast one where it is built
    """Reads plain data only."""


def rows() -> list[Row]:
    """Return every record of the corpus."""
    return [Row(case, number, said) for case in cases() for number, said in enumerate(case.said.get("records", ()))]


def expectation_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Write out what is expected of a record: the short forms as the keys of ``expect``, but for ``faultParts``."""
    if "says" in said:
        return dict(_SAYS[said["says"]])
    if "deadLetter" in said:
        return {"verdict": "DeadLetter", "reason": "DeadLetter", "deadLetter": said["deadLetter"]}
    if "notApplicable" in said:
        return {"verdict": "Deny", "reason": "PolicyNotApplicable", "faultParts": said["notApplicable"]}
    return dict(said["expect"])


def with_rule(situation: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Put what is said in the place of a situation's keys; a ``rule`` in that of its policies."""
    changed = {**situation, **{key: said[key] for key in _DEFAULTS if key in said}}
    if "rule" in said:
        rule = {"name": "r", "require": said["rule"]}
        changed["policies"] = [{"name": "p", "revision": 1, "rules": [rule]}]
    return changed


def policies_of(situation: Mapping[str, Any], namespace: str) -> list[policylog.PolicyRecord]:
    """Make the records of a situation's policies."""
    return [
        policy_record(
            namespace,
            said["name"],
            PolicySpec.model_validate({key: said[key] for key in said if key not in {"name", "revision"}}),
            revision=said["revision"],
        )
        for said in situation["policies"]
    ]


def schemas_of(situation: Mapping[str, Any]) -> dict[str, SchemaRecord]:
    """Make the records of the schemas, by decision type."""
    decisions = situation["decisions"].items()
    return {name: schema_record(json.dumps(said["schema"])) for name, said in decisions if said["schema"] is not None}


def targets_of(situation: Mapping[str, Any], schemas: Mapping[str, SchemaRecord]) -> dict[str, CommandTarget]:
    """Return where a situation's decision types go, with these schemas."""
    digests = {name: schema.sha256 for name, schema in schemas.items()}
    return {
        name: CommandTarget(topic=said["topic"], keyed=said["keyed"], schema_sha256=digests.get(name))
        for name, said in situation["decisions"].items()
    }


def rule_faults(situation: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return by decision type what the checker says of the rules of each policy that does not fit it."""
    return _rule_faults(json.dumps(situation))


@cache
def _rule_faults(text: str) -> dict[str, dict[str, str]]:
    situation = json.loads(text)
    decisions = situation["decisions"]
    faults: dict[str, dict[str, str]] = {}
    for policy in policies_of(situation, "risk"):
        match = policy.spec.match
        covered = [Covered(name, said["schema"]) for name, said in decisions.items() if name in match.decisions]
        covered = covered or [Covered(name, said["schema"]) for name, said in decisions.items()]
        for own in covered:
            others = [other for other in covered if other is not own]
            checker = checker_for(*rule_types(own, others, match.agent_selector.match_labels, policy.spec.params))
            found = [checker.check(rule.require) for rule in policy.spec.rules]
            said = "; ".join(str(fault) for one in found if isinstance(one, list) for fault in one)
            if said:
                faults.setdefault(own.decision_type, {})[policy.name] = said
    return faults


def active_set(situation: Mapping[str, Any]) -> ActiveSet:
    """Build the set of a situation as a gate does, from a signed log; once for all records that share it.

    Raises:
        SetRefusedError: the gate does not take it.
    """
    return _active_set(json.dumps(situation))


@cache
def _active_set(text: str) -> ActiveSet:
    situation = json.loads(text)
    agent = {**_DEFAULTS["agent"], **situation["agent"]}
    namespace, name = agent["namespace"], agent["name"]
    topic = f"{namespace}.streamwarden.policies"
    policies, schemas = policies_of(situation, namespace), schemas_of(situation)
    targets = targets_of(situation, schemas)
    partitions = situation["partitions"]
    binding = binding_record(namespace, name, policies, targets, uid=agent["uid"], partitions=partitions)
    faults = rule_faults(situation) if situation["checked"] else {}
    lame = {kind: tuple(found) for kind, found in faults.items()}
    binding = binding.model_copy(update={"labels": agent["labels"], "not_applicable": lame})
    snapshot = Snapshot(Identity(namespace, name, agent["uid"], POD), cluster_id=CLUSTER, keys=MemoryKeys(_KEY))
    closing = epoch_record(revision_counter=max([1, *(policy.revision for policy in policies)]))
    own: list[policylog.Record] = [*policies, *schemas.values(), binding, closing]
    for where, record in [(_GUARDRAILS, epoch_record(revision_counter=0)), *((topic, one) for one in own)]:
        refusal = snapshot.feed(where, *_KEY.signed(where, record, cluster_id=CLUSTER))
        assert refusal is None
    facts = {
        binding.decision_topic.name: TopicFacts("topic-id", partitions),
        binding.audit_topic: TopicFacts("audit-id", 1),
    }
    return snapshot.build(facts, None)
