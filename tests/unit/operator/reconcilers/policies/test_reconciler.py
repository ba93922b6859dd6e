"""A policy's status: accepted, published, rolled out, and how long that took."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.acks import SignedEpoch, SignedEpochs
from streamwarden_contract.policylog import EpochRecord
from streamwarden_operator.adapters.signing import SigningKey
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.log_plan import LogPlan, sign_plan
from support.operator_harness import conditions_of, policy, running, until, whole_namespace
from support.policy_fakes import ack_of

if TYPE_CHECKING:
    from streamwarden_contract.models import Policy
    from support.operator_harness import Harness

STRICT = policy("strict")
TOPIC = "risk.streamwarden.policies"


async def test_a_policy_is_rolled_out_when_every_gate_has_its_revision() -> None:
    async with running(*whole_namespace()) as harness:
        assert conditions_of(harness.get(STRICT))["RolledOut"] == ("False", "WaitingForGates")
        harness.acks.say(ack_of(harness.binding(), "pod-0"))
        harness.acks.say(ack_of(harness.binding(), "pod-1", policies=()))
        await harness.settle()
        assert conditions_of(harness.get(STRICT))["RolledOut"] == ("False", "WaitingForGates")
        harness.acks.say(ack_of(harness.binding(), "pod-1", state="Stopped"))
        await harness.settle()
        found = harness.get(STRICT).status
        assert (found.revision, found.rollout.gates, found.rollout.updated) == (1, 1, 1)
        assert conditions_of(harness.get(STRICT)) == dict.fromkeys(
            ("Accepted", "Published", "RolledOut", "Ready"), ("True", "OK")
        )
        assert found.rollout.converged_after == ""  # no gate was running when it was published
        assert harness.rollouts == []


async def test_an_edit_gets_the_next_revision_and_its_time_to_the_last_gate() -> None:
    async with running(*whole_namespace()) as harness:
        for pod in ("pod-0", "pod-1"):
            harness.acks.say(ack_of(harness.binding(), pod))
        harness.put(_with_status(harness, policy("strict", "decision.confidence >= 0.5", generation=2)))
        await until(lambda: harness.binding().policies[0].revision > 1)
        await harness.settle()
        harness.acks.say(ack_of(harness.binding(), "pod-0"))
        await harness.settle()
        assert harness.rollouts == []
        harness.acks.say(ack_of(harness.binding(), "pod-1"))
        await harness.settle()
        found = harness.get(STRICT).status
        assert found.revision == 4  # after two policies and a binding
        assert harness.rollouts == [("strict", 4)]
        assert re.fullmatch(r"\d+ms", found.rollout.converged_after)
        harness.acks.say(ack_of(harness.binding(), "pod-2"))
        await harness.settle()
        later = harness.get(STRICT).status.rollout
        assert (later.gates, later.converged_after) == (3, found.rollout.converged_after)
        assert len(harness.rollouts) == 1


async def test_an_expression_that_does_not_compile_leaves_the_last_good_revision() -> None:
    async with running(*whole_namespace()) as harness:
        before = dict(harness.log.topics["risk.streamwarden.policies"])
        harness.put(_with_status(harness, policy("strict", "decision.confidence >=", generation=2)))
        await harness.settle()
        found = harness.get(STRICT)
        assert conditions_of(found)["Accepted"] == ("False", "InvalidExpression")
        assert conditions_of(found)["Published"] == ("False", "NotPublished")
        assert conditions_of(found)["Ready"] == ("False", "InvalidExpression")
        assert found.status.revision == 1
        assert harness.log.topics["risk.streamwarden.policies"] == before


async def test_a_gate_that_refuses_is_named() -> None:
    async with running(*whole_namespace()) as harness:
        refusal = ack_of(harness.binding(), state="Rejected", policies=(), message="policy/strict: bad signature")
        harness.acks.say(refusal)
        await harness.settle()
        found = harness.get(STRICT)
        assert conditions_of(found)["RolledOut"] == ("False", "RejectedByGate")
        assert [(r.gate, r.message) for r in found.status.rollout.rejected] == [
            ("guard/pod-0", "policy/strict: bad signature")
        ]


async def test_a_gate_with_a_monstrous_name_does_not_break_the_status() -> None:
    async with running(*whole_namespace()) as harness:
        odd = ack_of(harness.binding(), "x" * 5000, state="Rejected", policies=(), message="m" * 1024)
        harness.acks.say(odd)
        await harness.settle()
        assert len(harness.get(STRICT).status.rollout.rejected[0].gate) == 253


async def test_a_policy_that_binds_nobody_is_ready_and_says_so() -> None:
    async with running(STRICT) as harness:
        assert conditions_of(harness.get(STRICT))["RolledOut"] == ("True", "NoGates")
        assert conditions_of(harness.get(STRICT))["Ready"][0] == "True"


async def test_a_log_that_cannot_be_written_shows_and_heals() -> None:
    async with running(*whole_namespace()) as harness:
        harness.log.down = True
        harness.put(_with_status(harness, policy("strict", "1 < 2", generation=2)))
        await until(lambda: conditions_of(harness.get(STRICT))["Published"] == ("False", "NotPublished"))
        harness.log.down = False
        await until(lambda: harness.get(STRICT).status.revision == 4)
        await harness.settle()
        assert conditions_of(harness.get(STRICT))["Published"] == ("True", "OK")


async def test_a_forged_record_is_written_over_and_reported() -> None:
    async with running(*whole_namespace()) as harness:
        held = harness.log.topics["risk.streamwarden.policies"]
        held[b"policy/strict"] = held[b"policy/watch"]
        harness.controller.add(Key("PolicyLog", "risk"))
        await harness.settle()
        assert harness.binding().policies[0].revision == 4
        assert [event.reason for event in harness.cluster.events] == ["RecordNotBelieved"]


@pytest.mark.parametrize(
    ("signed", "expected"),
    [
        pytest.param(True, 42, id="X83-a-lost-log-goes-on-above-what-a-gate-proves-to-have-in-force"),
        pytest.param(False, 3, id="a-number-without-its-signature-moves-nothing"),
    ],
)
async def test_epochs_are_believed_by_their_signature(signed: bool, expected: int) -> None:  # noqa: FBT001  # a parameter of the test
    async with running(*whole_namespace()) as harness:
        plan = LogPlan(records=(EpochRecord(epoch=41, revision_counter=70),))
        key = harness.signing_key if signed else SigningKey.create()
        (record,) = sign_plan(plan, topic=TOPIC, cluster_id="fake-cluster", signer=key)
        echo = SignedEpoch(
            value=(record.value or b"").decode(),
            signature=base64.b64encode(dict(record.headers)["sw-signature"]).decode(),
            key_id=harness.signing_key.key_id,
        )
        epochs = SignedEpochs(namespace=echo)
        harness.acks.say(ack_of(harness.binding(), namespace_epoch=41, epochs=epochs))
        harness.put(_with_status(harness, policy("strict", "1 < 2", generation=2)))
        await until(lambda: harness.get(STRICT).status.revision > 1)
        await harness.settle()
        written = json.loads(harness.log.topics[TOPIC][b"epoch"].value or b"")
        assert written["epoch"] == expected
        assert (harness.get(STRICT).status.revision > 70) is signed


async def test_the_guardrail_topic_holds_its_signed_epoch() -> None:
    async with running(STRICT) as harness:
        assert set(harness.log.topics["streamwarden.policies"]) == {b"epoch"}
        assert harness.acks.watched == ["risk"]


def _with_status(harness: Harness, edited: Policy) -> Policy:
    return edited.model_copy(update={"status": harness.get(STRICT).status})
