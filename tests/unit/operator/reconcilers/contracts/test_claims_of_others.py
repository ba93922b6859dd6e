"""What exists and cannot be read is not absent: nothing that it has, or claims, is given to others or taken away."""

from __future__ import annotations

from typing import Any

import pytest
from streamwarden_contract.policylog import BindingRecord, CommandTarget
from streamwarden_operator.keys import key_of
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.ports import Acl, Unreadable
from streamwarden_operator.reconcilers.policies.log_store import PublishedLog
from support.contract_world import ACCESS, SCHEMA, World, conditions, message
from support.manifests import agent, contract
from support.operator_harness import conditions_of as said_of
from support.operator_harness import contract as named
from support.operator_harness import running, until, whole_namespace
from support.policy_records import BINDING

WRITE = Acl("User:web", "TOPIC", "risk.urls", "WRITE")
OLDER, NEWER = "2025-12-01T00:00:00Z", "2026-02-01T00:00:00Z"


def unread_agent(world: World, to: str = "urls", **spec: object) -> None:
    """Let there be an agent that cannot be read and sends its commands to this contract."""
    world.cluster.make_unreadable(agent(decisions=[{"type": "block-url", "commandTopicRef": {"name": to}}]))
    for found in world.cluster.broken.values():
        found.manifest["spec"] |= spec


def publish(world: World, topic: str) -> None:
    """Let the agent's published binding send its commands to this topic."""
    target = CommandTarget(topic=topic, keyed=True)
    bound: BindingRecord = BINDING.model_copy(update={"agent": "guard", "decisions": {"block-url": target}})
    world.logs.published["risk"] = PublishedLog(LogState(bindings={"guard": bound}))


REFUSED: list[Any] = [
    pytest.param({"access": ACCESS}, ("False", "UngovernedProducer"), id="a-producer-outside"),
    pytest.param({"framing": "Confluent"}, ("False", "InvalidSpec"), id="values-in-frames"),
]


@pytest.mark.parametrize(("spec", "expected"), REFUSED)
async def test_m01_commands_of_an_agent_that_cannot_be_read_keep_others_from_their_topic(
    world: World, spec: dict[str, Any], expected: tuple[str, str]
) -> None:
    world.cluster.put(contract(**spec))
    unread_agent(world)
    status = await world.reconcile()
    assert conditions(status)["Accepted"] == expected
    assert "the topic holds the commands of guard" in message(status, "Accepted")
    assert world.acls.acls == set()


@pytest.mark.parametrize(
    ("bound_to", "references", "accepted"),
    [
        pytest.param("risk.urls", {}, False, id="its-gate-is-bound-to-the-topic-whatever-it-says-now"),
        pytest.param(
            "risk.urls", {"decisions": None}, False, id="its-gate-is-bound-to-it-and-nobody-can-tell-what-it-says"
        ),
        pytest.param("risk.others", {"decisions": None}, True, id="its-gate-is-bound-to-another-one"),
        pytest.param(None, {"decisions": None}, False, id="nobody-can-tell-and-the-log-is-not-read-yet"),
        pytest.param(None, {}, True, id="it-says-that-its-commands-go-elsewhere"),
    ],
)
async def test_m01_what_an_unreadable_agent_s_gate_may_write_counts(
    world: World,
    bound_to: str | None,
    references: dict[str, Any],
    accepted: bool,  # noqa: FBT001  # a parameter of the test
) -> None:
    world.cluster.put(contract(access=ACCESS))
    unread_agent(world, to="others", **references)
    if bound_to is not None:
        publish(world, bound_to)
    status = await world.reconcile()
    assert conditions(status)["Accepted"] == (("True", "OK") if accepted else ("False", "UngovernedProducer"))
    assert (WRITE in world.acls.acls) == accepted


async def test_m01_an_older_claim_on_a_topic_wins_though_it_cannot_be_read(world: World) -> None:
    world.cluster.make_unreadable(contract(name="first", topicName="risk.urls"), creation_timestamp=OLDER)
    world.cluster.put(contract())
    status = await world.reconcile()
    assert conditions(status)["Accepted"] == ("False", "ResourceConflict")
    assert "the TopicContract 'first' already claims the topic 'risk.urls'" in message(status, "Accepted")


async def test_m01_a_younger_claim_that_cannot_be_read_and_that_of_another_namespace_do_not_win(world: World) -> None:
    world.cluster.make_unreadable(contract(name="last", topicName="risk.urls"), creation_timestamp=NEWER)
    world.cluster.make_unreadable(contract("bank", "first", topicName="risk.urls"), creation_timestamp=OLDER)
    world.cluster.put(contract())
    assert conditions(await world.reconcile())["Accepted"] == ("True", "OK")


async def test_m01_what_a_contract_that_cannot_be_read_has_given_is_not_taken_with_another_one(world: World) -> None:
    for name in ("urls", "pages"):
        world.cluster.put(contract(name=name, topicName=f"risk.{name}", access=ACCESS))
        await world.reconcile(name)
    shared = {acl for acl in world.acls.acls if acl.resource_type in {"GROUP", "TRANSACTIONAL_ID"}}
    assert shared
    world.cluster.make_unreadable(world.contract("pages"))
    world.edit(access={})
    await world.reconcile()
    assert shared <= world.acls.acls
    assert WRITE not in world.acls.acls
    world.delete()
    await world.reconcile()
    assert shared <= world.acls.acls


async def test_m01_a_topic_that_an_unreadable_contract_claims_too_outlives_the_other_one(world: World) -> None:
    world.cluster.put(contract(deletionPolicy="Delete"))
    await world.reconcile()
    world.cluster.make_unreadable(contract(name="last", topicName="risk.urls"), creation_timestamp=NEWER)
    world.delete()
    await world.reconcile()
    assert "risk.urls" in world.topics.topics
    assert not world.cluster.resources


async def test_m01_an_agent_says_that_its_contract_cannot_be_read_and_keeps_what_it_has() -> None:
    pages, *others = whole_namespace()
    async with running(pages, *others) as harness:
        guard = next(each for each in others if each.metadata.name == "guard")
        before = harness.binding()
        harness.cluster.make_unreadable(pages)
        harness.controller.changed(key_of(guard))
        await harness.settle()
        assert said_of(harness.get(guard))["Accepted"] == ("False", "RefNotReady")
        assert harness.binding() == before
        assert harness.cluster.workloads


async def test_a_contract_that_an_agent_kept_back_is_looked_at_once_the_agent_is_gone() -> None:
    commands = named("commands", schema=SCHEMA, access={"producers": ["User:web"]})
    pages, _, *policies, guard = whole_namespace()
    async with running(pages, *policies) as harness:
        harness.cluster.make_unreadable(guard)
        harness.put(commands)
        await harness.settle()
        assert said_of(harness.get(commands))["Accepted"] == ("False", "UngovernedProducer")
        [(key, found)] = harness.cluster.broken.items()
        assert isinstance(found, Unreadable)
        harness.cluster.broken.clear()
        harness.controller.changed(key)
        await until(lambda: said_of(harness.get(commands))["Accepted"] == ("True", "OK"))
