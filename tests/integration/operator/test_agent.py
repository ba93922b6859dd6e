"""The whole controller on a real broker: manifests in, exactly the right ACLs and a complete workload out."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Producer
from streamwarden_contract.audit import ChainHead
from streamwarden_contract.models.scaling import Scaling
from streamwarden_contract.policylog import PolicyRecord
from streamwarden_contract.runtime_config import AgentConfig
from streamwarden_operator.adapters.signing import KeyRing
from streamwarden_operator.desired.acls import acls_of, agent_acls, gate_acls
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.log_state import verify_log
from streamwarden_operator.ports import Acl, AclPlan, PartitionOffsets
from support.controller_world import world
from support.operator_harness import conditions_of, policy, until
from support.policy_fakes import ack_of

pytestmark = pytest.mark.usefixtures("sole_operator")


async def test_manifests_become_access_a_signed_binding_and_pods(stack: Any, unique: str) -> None:
    async with world(stack, unique) as made:
        names = made.names
        observed = acls_of(await made.backends.acls.observe(), names.agent_principal, names.gate_principal)
        inputs, commands = [f"{unique}.pages"], [f"{unique}.commands"]
        assert observed == agent_acls(names, inputs) | gate_acls(made.installation, names, commands)
        assert {names.agent_principal, names.gate_principal} <= (await made.backends.users.observe()).keys()
        first = ChainHead().metadata(made.binding.decision_topic.topic_id, 0)
        assert await made.backends.offsets.observe(names.gate_group, names.decisions) == [
            PartitionOffsets(partition, 0, 0, 0, first) for partition in range(3)
        ]
        workload = made.cluster.workloads[unique, "guard"]
        assert AgentConfig.model_validate_json(workload.agent_config).decision_topic == names.decisions
        assert {workload.agent_secret, workload.gate_secret} == {name for _, name in made.cluster.secrets}
        assert made.binding.decision_topic.topic_id != ""
        assert {ref.name for ref in made.binding.policies} == {"strict", "watch"}


async def test_an_edited_policy_is_published_at_once_with_a_higher_revision(stack: Any, unique: str) -> None:
    async with world(stack, unique) as made:
        topic = made.names.shared.policies
        await until(lambda: made.controller.idle)
        for pod in ("pod-0", "pod-1"):
            made.say(pod)
        await until(lambda: conditions_of(made.status)["Ready"] == ("True", "OK"))
        before = {ref.name: ref.revision for ref in made.binding.policies}
        counter = made.binding.revision

        stored = made.cluster.get(type(policy("strict")), unique, "strict")
        assert stored is not None
        edited = policy("strict", "decision.confidence >= 0.5", unique, generation=2)
        made.put(edited.model_copy(update={"status": stored.status}))
        await until(lambda: made.binding.policies[0].revision != before["strict"])
        for pod in ("pod-0", "pod-1"):
            made.say(pod)
        await until(lambda: made.rollouts)

        log = made.backends.log
        ring = KeyRing(made.key.public_key)
        state = verify_log(await log.read(topic), topic=topic, cluster_id=log.cluster_id, verifier=ring)
        assert state.refused == {}
        assert isinstance(state.policies["strict"], PolicyRecord)
        assert state.policies["strict"].revision == counter + 1
        assert state.policies["watch"].revision == before["watch"]
        assert state.bindings["guard"].revision == counter + 2
        assert made.rollouts[0][:2] == ("strict", counter + 1)


async def test_a_malformed_ack_is_passed_over(stack: Any, unique: str) -> None:
    async with world(stack, unique) as made:
        producer = Producer(made.properties)
        gates = made.names.shared.gates
        producer.produce(gates, key=b"guard/pod-0", value=b"no json")
        producer.produce(gates, key=b"guard/pod-0", value=b'{"format": 9}')
        producer.produce(gates, key=b"guard/other", value=ack_of(made.binding).encode())
        producer.flush(10)
        made.say("pod-0")
        await until(lambda: conditions_of(made.status)["GateReady"] == ("True", "OK"))
        assert [ack.pod for ack in made.backends.acks.of_namespace(unique)] == ["pod-0"]


async def test_a_deleted_agent_leaves_its_decisions_and_nothing_else(stack: Any, unique: str) -> None:
    async with world(stack, unique) as made:
        found = made.status
        metadata = found.metadata.model_copy(update={"deletion_timestamp": "2026-01-01T00:00:00Z"})
        made.put(found.model_copy(update={"metadata": metadata}))
        await until(lambda: made.cluster.get(type(found), unique, "guard") is None)
        names = made.names
        assert acls_of(await made.backends.acls.observe(), names.agent_principal, names.gate_principal) == frozenset()
        assert not {names.agent_principal, names.gate_principal} & (await made.backends.users.observe()).keys()
        assert set(await made.backends.topics.observe([names.decisions, names.shared.audit])) == {
            names.decisions,
            names.shared.audit,
        }
        assert b"binding/guard" not in await made.backends.log.read(names.shared.policies)


async def test_an_agent_at_zero_is_woken_by_a_record_and_by_a_decision(stack: Any, unique: str) -> None:
    async with world(stack, unique) as made:
        scaling = Scaling(polling_interval=1, cooldown_period=0, max_replica_count=2)
        spec = made.status.spec.model_copy(update={"scaling": scaling})
        made.put(made.status.model_copy(update={"spec": spec}))
        await until(lambda: conditions_of(made.status)["Ready"] == ("True", "ScaledToZero"))
        producer = Producer(made.properties)
        for topic, group in (
            (f"{unique}.pages", made.names.agent_group),
            (made.names.decisions, made.names.gate_group),
        ):
            producer.produce(topic, b"{}", b"key", partition=1)
            assert producer.flush(10) == 0
            await until(lambda: made.cluster.replicas[unique, "guard"] == 1)
            judged = ChainHead().metadata(made.binding.decision_topic.topic_id, 1)
            await made.backends.offsets.commit(group, topic, {1: (1, judged)})
            await until(lambda: made.cluster.replicas[unique, "guard"] == 0)
        reasons = [event.reason for event in made.cluster.events if event.key.name == "guard"]
        assert reasons == ["ScaledToZero", "Activated", "ScaledToZero", "Activated", "ScaledToZero"]


async def test_a_foreign_right_to_write_commands_takes_the_pods_away(stack: Any, unique: str) -> None:

    async with world(stack, unique) as made:
        foreign = frozenset({Acl("User:mallory", "TOPIC", f"{unique}.commands", "WRITE")})
        await made.backends.acls.apply(AclPlan(add=foreign))
        try:
            made.controller.add(Key("AgentDeployment", unique, "guard"))
            await until(lambda: not made.cluster.workloads)
            await until(lambda: conditions_of(made.status)["AccessReady"] == ("False", "BypassPossible"))
        finally:
            await made.backends.acls.apply(AclPlan(remove=foreign))
