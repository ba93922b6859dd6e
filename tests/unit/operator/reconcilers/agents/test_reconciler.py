"""An agent comes up in one order, goes down in the reverse, and never runs where its gate can be gone round."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.acks import ReadFormats
from streamwarden_contract.audit import ChainHead
from streamwarden_contract.ids import sha256_hex
from streamwarden_contract.models.topic_contract import TopicSchema
from streamwarden_contract.names import AgentNames, InstallationNames
from streamwarden_contract.runtime_config import AgentConfig, GateConfig
from streamwarden_operator.desired.acls import agent_acls, gate_acls
from streamwarden_operator.desired.agents import ResolvedAgent, resolve_agent
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.ports import Acl, AclPlan
from streamwarden_operator.reconcilers.agents import reconciler
from support.operator_harness import (
    Harness,
    agent,
    conditions_of,
    contract,
    policy,
    running,
    until,
    whole_namespace,
)
from support.policy_fakes import ack_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamwarden_contract.models import AgentDeployment, TopicContract

INSTALLATION = InstallationNames()

NAMES = AgentNames("risk", "guard")
GATE = gate_acls(INSTALLATION, NAMES, ["risk.commands"])
AGENT = agent_acls(NAMES, ["risk.pages"])
GUARD = agent()
FOREIGN = Acl("User:mallory", "TOPIC", "risk.commands", "WRITE")


def position(harness: Harness, *wanted: object) -> int:
    for index, effect in enumerate(harness.effects):
        if effect[: len(wanted)] == wanted:
            return index
    raise AssertionError(f"{wanted} not in {harness.effects}")


def acl_position(harness: Harness, acl: Acl) -> int:
    for index, effect in enumerate(harness.effects):
        if effect[0] == "acls" and isinstance(effect[2], AclPlan) and acl in effect[2].add:
            return index
    raise AssertionError(f"{acl} was never given")


async def test_an_agent_comes_up_step_by_step_and_its_pods_come_last() -> None:
    async with running(*whole_namespace()) as harness:
        gate_write = Acl("User:risk.guard.gate", "TOPIC", "risk.commands", "WRITE")
        agent_write = Acl("User:risk.guard.agent", "TOPIC", "risk.guard.decisions", "WRITE")
        binding = next(
            index
            for index, effect in enumerate(harness.effects)
            if effect[0] == "log" and "binding/guard" in effect[3]  # type: ignore[operator]  # a tuple of keys
        )
        steps = [
            position(harness, "topics", "apply", "risk.guard.decisions"),
            position(harness, "users", "upsert", "risk.guard.gate"),
            acl_position(harness, gate_write),
            binding,
            position(harness, "offsets", "commit", "risk.guard.gate", "risk.guard.decisions"),
            acl_position(harness, agent_write),
            position(harness, "cluster", "workload"),
        ]
        assert steps == sorted(steps)
        assert harness.acls.acls == GATE | AGENT
        first = ChainHead().metadata(harness.topics.topics["risk.guard.decisions"].topic_id, 0)
        assert harness.offsets.committed["risk.guard.gate", "risk.guard.decisions", 2] == (0, first)


async def test_the_workload_has_everything_that_agent_and_gate_need() -> None:
    async with running(*whole_namespace()) as harness:
        workload = harness.cluster.workloads["risk", "guard"]
        config = AgentConfig.model_validate_json(workload.agent_config)
        assert (config.decision_topic, config.decision_types) == ("risk.guard.decisions", ("block-page",))
        assert [source.topic for source in config.sources] == ["risk.pages"]
        assert GateConfig.model_validate_json(workload.gate_config).uid == "uid-guard"
        assert harness.signing_key.key_id in workload.public_keys
        properties = harness.cluster.secrets["risk", workload.gate_secret]["client.properties"]
        password = harness.users.passwords["risk.guard.gate"]
        assert f"sasl.username=risk.guard.gate\nsasl.password={password}\n" in properties
        assert "bootstrap.servers=broker:9092\n" in properties
        assert password != harness.users.passwords["risk.guard.agent"]


async def test_a_second_look_at_everything_writes_nothing() -> None:
    async with running(*whole_namespace()) as harness:
        before = list(harness.effects)
        for resource in whole_namespace():
            harness.controller.changed(key_of(resource))
        harness.controller.add(Key("Namespace", "risk"))
        await harness.settle()
        assert list(harness.effects) == before


async def test_another_process_takes_over_without_a_write() -> None:
    async with running(*whole_namespace()) as harness:
        before = list(harness.effects)
        await harness.controller.stop()
        harness.controller = harness.new_controller()
        for resource in whole_namespace():
            harness.controller.changed(key_of(resource))
        await harness.controller.start()
        harness.controller.caches_complete()
        await harness.settle()
        assert [effect for effect in harness.effects[len(before) :] if effect[1] != "status"] == []


async def test_an_agent_is_ready_when_a_gate_has_its_policies_in_force() -> None:
    async with running(*whole_namespace()) as harness:
        assert conditions_of(harness.get(GUARD))["GateReady"] == ("False", "GateNotReady")
        harness.acks.say(ack_of(harness.binding()))
        await harness.settle()
        found = harness.get(GUARD)
        assert conditions_of(found) == dict.fromkeys(
            ("Accepted", "TopicsReady", "AccessReady", "GateReady", "Ready"), ("True", "OK")
        )
        assert [(ref.name, ref.revision) for ref in found.status.policies] == [("strict", 1), ("watch", 2)]
        assert found.status.replicas == 1


async def test_an_agent_is_told_the_newest_format_that_all_its_gates_read() -> None:
    newer, found = ReadFormats(decision=2), list[str]()
    async with running(*whole_namespace()) as harness:

        async def note(pod: str = "", **said: object) -> None:
            if pod:
                harness.acks.say(ack_of(harness.binding(), pod, **said))
            await harness.settle()
            found.append(harness.cluster.workloads["risk", "guard"].formats)

        before = harness.cluster.workloads["risk", "guard"].spec_hash
        await note()
        await note(pod="pod-0")
        await note(pod="pod-0", formats=newer)
        await note(pod="pod-1")
        await note(pod="pod-1", state="Stopped")
        assert harness.cluster.workloads["risk", "guard"].spec_hash == before, "agents reread it"
    two = '{"decision":2}'
    assert found == ["", "", two, "", two], "none yet, an older gate, a newer one, both of them, the newer one again"


async def test_an_agent_is_not_ready_before_a_pod_has_joined_its_group() -> None:
    async with running(*whole_namespace()) as harness:
        harness.cluster.ready_pods = 0
        harness.acks.say(ack_of(harness.binding()))
        await harness.settle()
        found = conditions_of(harness.get(GUARD))
        assert (found["GateReady"], found["Ready"]) == (("True", "OK"), ("False", "AgentNotReady"))


async def test_an_agent_may_have_more_policies_than_its_status_shows() -> None:
    many = [policy(f"p-{number}") for number in range(70)]
    async with running(*whole_namespace(), *many) as harness:
        assert len(harness.binding().policies) == 72
        assert len(harness.get(GUARD).status.policies) == 64


async def test_a_gate_that_refuses_its_policies_shows() -> None:
    async with running(*whole_namespace()) as harness:
        harness.acks.say(ack_of(harness.binding(), state="Rejected", reason="LowerEpoch", message="epoch 1 after 3"))
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["GateReady"] == ("False", "RejectedByGate")


async def test_x07_skipped_records_are_told_once_and_the_agent_stays_ready() -> None:
    async with running(*whole_namespace()) as harness:
        said = {"reason": "RecordsSkipped", "message": "decision partition 0: offset 5 skipped"}
        harness.acks.say(ack_of(harness.binding(), **said))
        for _ in range(2):
            harness.controller.add(Key("AgentDeployment", "risk", "guard"))
            await harness.settle()
        assert conditions_of(harness.get(GUARD))["GateReady"] == ("True", "RecordsSkipped")
        assert [(event.reason, said["message"] in event.message) for event in harness.cluster.events] == [
            ("RecordsSkipped", True)
        ]


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(FOREIGN, id="a-command-topic"),
        pytest.param(Acl("User:*", "TOPIC", "risk.", "ALL", "PREFIXED"), id="everybody-by-prefix"),
        pytest.param(Acl("User:other.guard.gate", "TOPIC", "risk.commands", "WRITE"), id="another-namespace"),
        pytest.param(Acl("User:mallory", "TOPIC", "risk.streamwarden.policies", "WRITE"), id="the-policy-topic"),
        pytest.param(Acl("User:mallory", "TOPIC", "risk.guard.decisions", "WRITE"), id="the-decision-topic"),
    ],
)
async def test_a_foreign_acl_on_a_governed_topic_takes_the_pods_away(foreign: Acl) -> None:
    async with running(*whole_namespace()) as harness:
        harness.acls.acls.add(foreign)
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await until(lambda: not harness.cluster.workloads)
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("False", "BypassPossible")
        assert [event.reason for event in harness.cluster.events] == ["BypassPossible"]
        harness.acls.acls.discard(foreign)
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await until(lambda: harness.cluster.workloads)


async def test_what_the_agent_may_too_much_is_taken_back_before_anything_is_given() -> None:
    extra = Acl("User:risk.guard.agent", "TOPIC", "risk.commands", "WRITE")
    async with running(*whole_namespace()) as harness:
        harness.acls.acls.add(extra)
        harness.acls.acls.discard(Acl("User:risk.guard.agent", "TOPIC", "risk.pages", "READ"))
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await until(lambda: harness.acls.acls == GATE | AGENT)
        plans = [effect[2] for effect in harness.effects if effect[0] == "acls"][-2:]
        assert plans[0] == AclPlan(remove=frozenset({extra}))
        assert plans[1] == AclPlan(add=frozenset({Acl("User:risk.guard.agent", "TOPIC", "risk.pages", "READ")}))


async def test_records_without_a_committed_offset_mean_that_the_agent_may_not_write() -> None:
    async with running(*whole_namespace()) as harness:
        harness.offsets.committed.clear()
        harness.offsets.ends["risk.guard.decisions", 0] = (0, 7)
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("False", "OffsetsLost")
        assert not harness.acls.acls & AGENT


@pytest.mark.parametrize("again", [pytest.param(True, id="made-again"), pytest.param(False, id="deleted")])
async def test_a_decision_topic_that_is_another_one_stops_the_agent_and_is_not_made_anew(again: bool) -> None:  # noqa: FBT001  # a parameter of the test
    async with running(*whole_namespace()) as harness:
        topic = harness.topics.topics.pop("risk.guard.decisions")
        if again:
            harness.topics.topics[topic.name] = replace(topic, topic_id="another")
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["TopicsReady"] == ("False", "OffsetsLost")
        assert ("risk.guard.decisions" in harness.topics.topics) == again


async def test_deletion_takes_pods_then_access_then_the_binding_and_keeps_the_decisions() -> None:
    async with running(*whole_namespace()) as harness:
        start = len(harness.effects)
        harness.put(_deleted(harness.get(GUARD)))
        await until(lambda: harness.cluster.get(type(GUARD), "risk", "guard") is None)
        await harness.settle()
        assert [effect[:3] for effect in harness.effects[start:] if effect[1] != "status"] == [
            ("cluster", "delete workload", "risk"),
            ("acls", "apply", AclPlan(remove=frozenset(GATE | AGENT))),
            ("users", "delete", "risk.guard.agent"),
            ("users", "delete", "risk.guard.gate"),
            ("cluster", "delete secret", "risk"),
            ("cluster", "delete secret", "risk"),
            ("log", "publish", "streamwarden.inventory"),
            ("log", "publish", "risk.streamwarden.policies"),
            ("cluster", "finalizer", "guard"),
        ]
        assert "risk.guard.decisions" in harness.topics.topics
        assert b"binding/guard" not in harness.log.topics["risk.streamwarden.policies"]


async def test_an_agent_made_again_continues_where_the_chain_stands() -> None:
    async with running(*whole_namespace()) as harness:
        harness.put(_deleted(harness.get(GUARD)))
        await until(lambda: harness.cluster.get(type(GUARD), "risk", "guard") is None)
        head = ChainHead(length=3).metadata(harness.topics.topics["risk.guard.decisions"].topic_id, 9)
        for partition in range(3):
            harness.offsets.ends["risk.guard.decisions", partition] = (0, 9)
            harness.offsets.committed["risk.guard.gate", "risk.guard.decisions", partition] = (9, head)
        harness.put(agent(uid="uid-2"))
        await until(lambda: harness.cluster.workloads)
        assert harness.binding().agent_uid == "uid-2"
        assert harness.offsets.committed["risk.guard.gate", "risk.guard.decisions", 0] == (9, head)


async def test_a_deletion_that_cannot_reach_kafka_says_so_and_an_annotation_lets_go() -> None:
    async with running(*whole_namespace()) as harness:
        harness.acls.down = True
        harness.put(_deleted(harness.get(GUARD)))
        await until(lambda: conditions_of(harness.get(GUARD))["Ready"] == ("False", "DeletionBlocked"))
        harness.put(_deleted(harness.get(GUARD), annotations={"streamwarden.io/orphan": "true"}))
        await until(lambda: harness.cluster.get(type(GUARD), "risk", "guard") is None)
        assert harness.acls.acls == GATE | AGENT
        assert harness.cluster.workloads == {}
        harness.acls.down = False
        await until(lambda: harness.acls.acls == set() and harness.users.passwords == {})


async def test_a_deletion_that_cannot_write_the_policy_log_says_so_and_goes_on_later() -> None:
    async with running(*whole_namespace()) as harness:
        harness.log.down = True
        harness.put(_deleted(harness.get(GUARD)))
        await until(lambda: conditions_of(harness.get(GUARD))["Ready"] == ("False", "DeletionBlocked"))
        harness.log.down = False
        await until(lambda: harness.cluster.get(type(GUARD), "risk", "guard") is None)
        assert b"binding/guard" not in harness.log.topics["risk.streamwarden.policies"]


async def test_kafka_down_is_unknown_and_heals_by_itself() -> None:
    async with running(*whole_namespace()) as harness:
        harness.acls.down = True
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await until(lambda: conditions_of(harness.get(GUARD))["AccessReady"] == ("Unknown", "KafkaUnavailable"))
        assert harness.cluster.workloads
        harness.acls.down = False
        await until(lambda: conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK"))


async def test_a_reference_to_nothing_waits_until_it_appears() -> None:
    pages, *rest = whole_namespace()
    async with running(*rest) as harness:
        assert conditions_of(harness.get(GUARD))["Accepted"] == ("False", "RefNotFound")
        harness.put(pages)
        await until(lambda: harness.cluster.workloads)


async def test_a_crashing_process_shows_with_its_last_lines() -> None:
    async with running(*whole_namespace()) as harness:
        harness.cluster.crashing["risk", "guard"] = "agent exited 1: no module named guard"
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["Ready"] == ("False", "Crashing")


async def test_x46_a_pod_that_no_node_takes_shows_with_the_schedulers_words() -> None:
    async with running(*whole_namespace()) as harness:
        harness.cluster.unscheduled["risk", "guard"] = "no node takes the pod: 0/1 nodes are available"
        harness.cluster.ready_pods = 0
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["Ready"] == ("False", "Unschedulable")


async def test_a_policy_that_was_never_valid_keeps_the_agent_it_selects_from_starting() -> None:
    pages, commands, strict, _, guard = whole_namespace()
    async with running(pages, commands, strict, policy("broken", "nonsense("), guard) as harness:
        assert harness.cluster.workloads == {}
        assert conditions_of(harness.get(GUARD))["GateReady"] == ("False", "InvalidExpression")
        harness.put(policy("broken", "true", generation=2))
        await until(lambda: harness.cluster.workloads)
        assert {ref.name for ref in harness.binding().policies} == {"broken", "strict"}


def _deleted(found: Any, **metadata: Any) -> Any:
    changes = {"deletion_timestamp": "2026-01-01T00:00:00Z", **metadata}
    return found.model_copy(update={"metadata": found.metadata.model_copy(update=changes)})


async def test_an_agent_is_resolved_once_a_reconcile(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(*whole_namespace()) as harness:
        resolved, named = Counter[str](), Counter[str]()
        init = AgentNames.__init__

        def named_again(names: AgentNames, namespace: str, agent: str) -> None:
            named[agent] += 1
            init(names, namespace, agent)

        def resolved_again(agent: AgentDeployment, contracts: Mapping[str, TopicContract]) -> ResolvedAgent:
            resolved[agent.metadata.name] += 1
            return resolve_agent(agent, contracts)

        monkeypatch.setattr(reconciler, "resolve_agent", resolved_again)
        monkeypatch.setattr(AgentNames, "__init__", named_again)
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await harness.settle()
    assert (resolved, named) == ({"guard": 1}, {"guard": 1})


async def test_x12_a_schema_that_the_registry_refuses_reaches_no_gate() -> None:
    async with running(*whole_namespace()) as harness:
        in_force = harness.binding().decisions["block-page"].schema_sha256
        refused = '{"type": "object", "required": ["never-asked-for"]}'
        harness.put(_edited(harness.get(contract("commands")), refused))
        await harness.settle()
        assert conditions_of(harness.get(contract("commands")))["SchemaReady"] == ("False", "InvalidSchema")
        assert harness.binding().decisions["block-page"].schema_sha256 == in_force
        taken = '{"type": "object", "minProperties": 0}'
        harness.put(_edited(harness.get(contract("commands")), taken))
        await until(lambda: harness.binding().decisions["block-page"].schema_sha256 == sha256_hex(taken.encode()))


def _edited(found: TopicContract, schema: str) -> TopicContract:
    metadata = found.metadata.model_copy(update={"generation": found.metadata.generation + 1})
    value_schema = TopicSchema.model_validate({"schema": schema})
    spec = found.spec.model_copy(update={"value_schema": value_schema})
    return found.model_copy(update={"metadata": metadata, "spec": spec})
