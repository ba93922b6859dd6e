"""What an earlier version wrote is read by this one, and this one still writes the same bytes.

``recorded/`` has one file for each earlier version, named by its commit: what its operator and gate wrote from the
inputs that are there too. The same bytes from the same inputs mean that the earlier version reads what this one writes,
and that no pod is replaced by an upgrade.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from streamwarden_contract import canonical
from streamwarden_contract.acks import ReadFormats, SignedEpochs, decode_ack
from streamwarden_contract.audit import ChainHead, parse_metadata
from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.policylog import KEY_ID_HEADER, SIGNATURE_HEADER, signed_message, spec_digest
from streamwarden_contract.runtime_config import AgentConfig, GateConfig
from streamwarden_gate.public_keys import PublicKeyFile
from streamwarden_gate.snapshot import Identity, Snapshot
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.records import TopicFacts
from streamwarden_operator.adapters.signing import KeyRing, SigningKey
from streamwarden_operator.desired.acceptance import accept_policy
from streamwarden_operator.desired.agents import resolve_agent
from streamwarden_operator.desired.credentials import Credential, build_secret, find_credential
from streamwarden_operator.desired.pod_template import GateImage
from streamwarden_operator.desired.pods import build_manifests
from streamwarden_operator.desired.policy_log import DesiredLog, build_binding, build_log
from streamwarden_operator.desired.rule_checks import listed
from streamwarden_operator.desired.workload import build_workload
from streamwarden_operator.plans.log_plan import sign_plan
from streamwarden_operator.plans.log_state import LogState, verify_log
from streamwarden_operator.plans.policy_log import plan_log
from streamwarden_operator.plans.policy_rules import check_policy, governed
from streamwarden_operator.ports import SignedRecord, Topic, Workload

DECISIONS = Topic("risk.guard.decisions", partitions=3, topic_id="id-of-decisions")
AUDIT = Topic("risk.streamwarden.audit", partitions=3, topic_id="id-of-audit")
LOG, GUARDRAILS = "risk.streamwarden.policies", "streamwarden.policies"


class Recording:
    """What one earlier version wrote, and what this version makes of the same inputs."""

    def __init__(self, file: Path) -> None:
        found = json.loads(file.read_text(encoding="utf-8"))
        self.written: dict[str, Any] = found["written"]
        inputs = found["inputs"]
        self.cluster_id: str = inputs["cluster_id"]
        self._credentials_hash: str = inputs["credentials_hash"]
        seed = bytes.fromhex(inputs["signing_seed"])
        self.key = SigningKey(Ed25519PrivateKey.from_private_bytes(seed))
        self.ring = KeyRing(self.key.public_key)
        contracts = [TopicContract.model_validate(each) for each in inputs["contracts"]]
        self._policies = [Policy.model_validate(each) for each in inputs["policies"]]
        self._agent = AgentDeployment.model_validate(inputs["agent"])
        self._resolved = resolve_agent(self._agent, {each.metadata.name: each for each in contracts})

    def desired(self, topic: str) -> DesiredLog:
        if topic == GUARDRAILS:
            return DesiredLog()
        binding = build_binding(self._resolved, decisions=DECISIONS, audit=AUDIT)
        return build_log(self._policies, [self._agent], {"guard": binding})

    def records(self, topic: str) -> list[SignedRecord]:
        """Return the records of a policy topic as the earlier version wrote them."""
        return [
            SignedRecord(
                record["key"].encode(),
                record["value"].encode(),
                tuple((name, base64.b64decode(value)) for name, value in record["headers"].items()),
            )
            for record in self.written["policy_logs"][topic]
        ]

    def signed(self, topic: str, values: dict[str, Any]) -> dict[bytes, SignedRecord]:
        """Sign these values, by key, as the earlier version signed its own."""
        made = {}
        for key, value in values.items():
            name, encoded = key.encode(), canonical.encode(value)
            message = signed_message(cluster_id=self.cluster_id, topic=topic, key=name, value=encoded)
            headers = ((SIGNATURE_HEADER, self.key.sign(message)), (KEY_ID_HEADER, self.key.key_id.encode()))
            made[name] = SignedRecord(name, encoded, headers)
        return made

    def workload(self) -> Workload:
        return build_workload(
            self._resolved,
            operator_namespace="streamwarden",
            installation="streamwarden",
            public_keys=self.ring.public_keys_json(),
            credentials_hash=self._credentials_hash,
        )


@pytest.fixture(
    params=[pytest.param(file, id=file.stem) for file in sorted((Path(__file__).parent / "recorded").iterdir())]
)
def recording(request: pytest.FixtureRequest) -> Recording:
    return Recording(request.param)


# --- the policy log ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", [LOG, GUARDRAILS])
def test_this_operator_reads_the_log_of_an_earlier_one_and_has_nothing_to_add(recording: Recording, topic: str) -> None:
    records = {record.key: record for record in recording.records(topic)}
    state = verify_log(records, topic=topic, cluster_id=recording.cluster_id, verifier=recording.ring)
    assert (state.refused, state.epoch, state.closed) == ({}, 1, True)
    assert not plan_log(topic.split(".", maxsplit=1)[0], recording.desired(topic), state)


@pytest.mark.parametrize("topic", [LOG, GUARDRAILS])
def test_this_operator_writes_a_log_as_an_earlier_one_does(recording: Recording, topic: str) -> None:
    plan = plan_log(topic.split(".", maxsplit=1)[0], recording.desired(topic), LogState())
    signed = sign_plan(plan, topic=topic, cluster_id=recording.cluster_id, signer=recording.key)
    assert list(signed) == recording.records(topic)


def test_this_gate_judges_by_the_log_of_an_earlier_operator(recording: Recording, tmp_path: Path) -> None:
    keys = tmp_path / "public-keys.json"
    keys.write_text(recording.written["public_keys"], encoding="utf-8")
    gate = GateConfig.model_validate_json(recording.written["gate_config"])
    identity = Identity(gate.namespace, gate.agent, gate.uid, "pod-0", gate.operator_namespace, gate.installation)
    snapshot = Snapshot(identity, cluster_id=recording.cluster_id, keys=PublicKeyFile(keys))
    for topic in snapshot.topics:
        for record in recording.records(topic):
            assert snapshot.feed(topic, record.key, record.value, record.headers) is None
    facts = {topic.name: TopicFacts(topic.topic_id, topic.partitions) for topic in (DECISIONS, AUDIT)}
    active = snapshot.build(facts, None)
    assert [(ref.name, ref.revision) for ref in active.refs] == [("strict", 1), ("watch", 2)]
    assert active.targets["block-page"].topic == "risk.commands"


def test_x01_rules_that_an_earlier_operator_published_untyped_go_on_and_are_told(recording: Recording) -> None:
    """The recorded log, with a rule in it that was accepted then: a letter is missing."""
    require = '!has(decision.paramters) || decision.parameters.page != "payments"'
    values = {record.key.decode(): json.loads(record.value or b"") for record in recording.records(LOG)}
    strict = values["policy/strict"]
    strict["spec"]["rules"][0]["require"] = require
    policy = Policy.model_validate({"metadata": {"name": "strict", "namespace": "risk"}, "spec": strict["spec"]})
    strict["digest"] = values["binding/guard"]["policies"][0]["digest"] = spec_digest(policy.spec)
    records = recording.signed(LOG, values)
    state = verify_log(records, topic=LOG, cluster_id=recording.cluster_id, verifier=recording.ring)
    assert (state.refused, state.bindings["guard"].not_applicable) == ({}, {})
    desired = replace(recording.desired(LOG), valid={"strict": policy.spec, "watch": state.policies["watch"].spec})
    assert not plan_log("risk", desired, state)
    agents = governed(desired.bindings.values(), {}, state.schemas)
    checks = check_policy("strict", policy.spec, agents, state)
    assert accept_policy(policy, checks=checks) == []
    assert listed(checks.untyped) == (
        "guard/block-page (rule 'confident': 1:5: decision has no field 'paramters'; did you mean 'parameters'?)"
    )
    edited = policy.spec.model_copy(update={"failure_action": "Audit"})
    assert list(check_policy("strict", edited, agents, state).refused) == [0]


# --- what gates write --------------------------------------------------------------------------------------------


def test_an_ack_of_an_earlier_gate_is_read_and_written_alike(recording: Recording) -> None:
    written = recording.written["ack"].encode()
    ack = decode_ack(written)
    assert (ack.key, ack.state, ack.reason) == (b"guard/guard-7d4b9c-x2x7k", "Rejected", "BindingMissing")
    assert ack.policies == (PolicyRef(namespace="risk", name="strict", revision=2),)
    assert ack.encode() == written


def test_an_earlier_operator_does_not_read_the_acks_of_this_version_s_gates(recording: Recording) -> None:
    """So operators are upgraded before gates; this one passes over what gates after it will say besides."""
    ack = decode_ack(recording.written["ack"].encode())
    assert ack.reads == ReadFormats(decision=1, policy_log=1, offset_metadata=1)
    todays = ack.model_copy(update={"formats": ReadFormats(decision=2), "epochs": SignedEpochs()})
    unknown = json.loads(todays.encode()).keys() - json.loads(recording.written["ack"]).keys()
    assert unknown == {"formats", "epochs"}


def test_the_metadata_of_an_earlier_gate_s_offsets_is_read_beside_any_offset(recording: Recording) -> None:
    found = [parse_metadata(text, topic_id="any", offset=9) for text in recording.written["offset_metadata"]]
    assert found == [ChainHead(), ChainHead(7, "ab" * 32, 3, 1)]


# --- pods --------------------------------------------------------------------------------------------------------


def test_the_configuration_of_pods_is_read_and_written_alike(recording: Recording) -> None:
    workload, written = recording.workload(), recording.written
    assert (workload.gate_config, workload.agent_config) == (written["gate_config"], written["agent_config"])
    assert workload.public_keys == written["public_keys"]
    assert GateConfig.model_validate_json(written["gate_config"]).installation == "streamwarden"
    assert AgentConfig.model_validate_json(written["agent_config"]).agent == "guard"


def test_credentials_of_an_earlier_operator_stay(recording: Recording) -> None:
    written = recording.written["client_properties"]
    assert build_secret("risk.guard.gate", Credential("p-4"), "kafka:9092") == written
    assert find_credential(written, "risk.guard.gate") == Credential("p-4")
    assert Connection.parse(written["client.properties"]) == Connection.scram("kafka:9092", "risk.guard.gate", "p-4")


def test_an_upgrade_changes_of_pods_only_that_gates_are_told_their_memory_limit(recording: Recording) -> None:
    workload = recording.workload()
    assert workload.spec_hash == recording.written["spec_hash"]
    manifests = list(build_manifests(workload, GateImage("registry.example/streamwarden/gate:1")))
    [deployment] = [each for each in manifests if each["kind"] == "Deployment"]
    [gate] = [each for each in deployment["spec"]["template"]["spec"]["initContainers"] if each["name"] == "gate"]
    told = {"resourceFieldRef": {"resource": "limits.memory"}}
    # Without it a gate on a node with cgroup v1 is killed with its container, for ever: worth a roll.
    assert gate["env"].pop() == {"name": "STREAMWARDEN_GATE_MEMORY_LIMIT", "valueFrom": told}
    assert manifests == recording.written["manifests"]
