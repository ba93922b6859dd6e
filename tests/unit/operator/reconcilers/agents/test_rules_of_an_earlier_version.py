"""Rules in force that this version would refuse: told before any gate is replaced, and they go on as they did."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.models.policy import Rule
from streamwarden_contract.policylog import EpochRecord, spec_digest
from streamwarden_operator.plans.log_plan import LogPlan, sign_plan
from support.operator_harness import SCHEMA, Harness, agent, conditions_of, contract, policy, running, until
from support.policy_fakes import ack_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streamwarden_contract.models import AgentDeployment, Policy

TOPIC = "risk.streamwarden.policies"
ZONED = 'now.getHours("Europe/Berlin") < 22'
MISSPELT = '!has(decision.paramters) || decision.parameters.page != "home"'
CANNOT_RUN = "rule 'r': 1:13: getHours takes no time zone here: it answers in UTC, and getHours() is how to ask"
OLD = policy("old")
GUARD = agent()
RESOURCES = (contract("pages"), contract("commands", schema={"schema": SCHEMA}), OLD, GUARD)


def with_rule(found: Policy, require: str, **metadata: object) -> Policy:
    spec = found.spec.model_copy(update={"rules": (Rule(name="r", require=require),)})
    return found.model_copy(update={"spec": spec, "metadata": found.metadata.model_copy(update=metadata)})


@asynccontextmanager
async def upgraded(require: str) -> AsyncIterator[Harness]:
    """An operator of this version over a log and pods of an earlier one, which took this rule."""
    async with running(*RESOURCES) as harness:
        await harness.controller.stop()
        state = harness.controller._logs.published["risk"].state
        old = with_rule(harness.get(OLD), require)
        digest = spec_digest(old.spec)
        record = state.policies["old"].model_copy(update={"spec": old.spec, "digest": digest, "epoch": state.epoch + 1})
        binding = state.bindings["guard"]
        refs = tuple(ref.model_copy(update={"digest": digest}) for ref in binding.policies)
        binding = binding.model_copy(update={"policies": refs, "epoch": state.epoch + 1})
        closing = EpochRecord(epoch=state.epoch + 1, revision_counter=state.revision_counter)
        plan = LogPlan(records=(record, binding, closing))
        signed = sign_plan(plan, topic=TOPIC, cluster_id="fake-cluster", signer=harness.signing_key)
        await harness.log.publish(TOPIC, signed)
        harness.cluster.put(old)
        harness.cluster.events.clear()
        harness.cluster.existing_pods["risk", "guard"] = frozenset({"pod-0"})
        harness.controller = harness.new_controller()
        harness.acks.say(ack_of(binding))
        harness.put(*(harness.get(resource) for resource in RESOURCES))
        await harness.controller.start()
        harness.controller.caches_complete()
        await harness.settle()
        yield harness


def said(resource: Policy | AgentDeployment, kind: str) -> tuple[str, str, str]:
    return next((part.status, part.reason, part.message) for part in resource.status.conditions if part.type == kind)


def new_image(harness: Harness) -> None:
    """Change what the agent's pods are made of, as a new version of the operator does too."""
    found = harness.get(GUARD)
    spec = found.spec.model_copy(update={"image": "registry.example/guard:2"})
    harness.put(
        found.model_copy(update={"spec": spec, "metadata": found.metadata.model_copy(update={"generation": 2})})
    )


def image(harness: Harness) -> str:
    return harness.cluster.workloads["risk", "guard"].image


async def test_x01_a_rule_that_no_longer_checks_is_told_and_its_gates_may_be_replaced() -> None:
    async with upgraded(MISSPELT) as harness:
        status, reason, message = said(harness.get(OLD), "Accepted")
        assert (status, reason) == ("True", "UntypedRules")
        assert "goes on; at the next edit it would be refused for guard/block-page (rule 'r': 1:5:" in message
        assert [(event.reason, event.message) for event in harness.cluster.events] == [("UntypedRules", message)]
        assert harness.binding().not_applicable == {}
        new_image(harness)
        await until(lambda: image(harness) == "registry.example/guard:2")


async def test_x09_a_rule_that_new_gates_cannot_run_keeps_the_pods_that_can_until_it_is_mended() -> None:
    async with upgraded(ZONED) as harness:
        before = image(harness)
        status, reason, message = said(harness.get(OLD), "Accepted")
        assert (status, reason) == ("True", "UntypedRules")
        assert message.startswith(f"is in force, and gates of this version cannot run it: {CANNOT_RUN}")
        assert [(event.reason, event.message) for event in harness.cluster.events] == [("UntypedRules", message)]
        assert (harness.binding().not_applicable, harness.binding().policies[0].revision) == ({}, 1)
        new_image(harness)
        await harness.settle()
        status, reason, message = said(harness.get(GUARD), "GateReady")
        assert (status, reason) == ("False", "UntypedRules")
        assert message.startswith(
            f"pods are not replaced: new gates could not run what is in force, and would deny: "
            f"policy 'old' ({CANNOT_RUN}"
        )
        assert image(harness) == before
        harness.put(with_rule(harness.get(OLD), "now.getHours() < 22", generation=2))
        await until(lambda: image(harness) == "registry.example/guard:2")
        assert conditions_of(harness.get(OLD))["Accepted"] == ("True", "OK")


@pytest.mark.parametrize(
    "pods", [pytest.param(frozenset(), id="there-are-no-pods"), pytest.param(frozenset({"pod-0"}), id="all-are-new")]
)
async def test_where_no_gate_can_run_the_rule_pods_are_replaced(pods: frozenset[str]) -> None:
    async with upgraded(ZONED) as harness:
        harness.cluster.existing_pods["risk", "guard"] = pods
        harness.acks.say(ack_of(harness.binding(), reason="InvalidExpression", message="does not compile"))
        new_image(harness)
        await until(lambda: image(harness) == "registry.example/guard:2")


async def test_an_audit_policy_s_rule_holds_no_pods_back() -> None:
    async with upgraded(ZONED) as harness:
        found = harness.get(OLD)
        spec = found.spec.model_copy(update={"failure_action": "Audit", "rules": ()})
        harness.put(
            found.model_copy(update={"spec": spec, "metadata": found.metadata.model_copy(update={"generation": 2})})
        )
        new_image(harness)
        await until(lambda: image(harness) == "registry.example/guard:2")
