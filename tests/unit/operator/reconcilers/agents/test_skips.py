"""What people have asked to pass over: from the agent's spec into the signed binding, and out of it once it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamwarden_contract.audit import ChainHead
from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.names import AgentNames
from streamwarden_operator.keys import Key
from support.operator_harness import agent, conditions_of, running, whole_namespace
from support.policy_fakes import ack_of

if TYPE_CHECKING:
    from support.operator_harness import Harness

NAMES = AgentNames("risk", "guard")
GUARD = Key("AgentDeployment", "risk", "guard")


def asking(harness: Harness, last: int, **fields: Any) -> AgentDeployment:
    made = agent().model_dump(by_alias=True, mode="json")
    made["metadata"]["generation"] = 2
    skip = {
        "topicId": harness.topics.topics[NAMES.decisions].topic_id,
        "partition": 1,
        "fromOffset": 3,
        "toOffset": last,
        "seenEndOffset": harness.offsets.ends[NAMES.decisions, 1][1],
        "reason": "a broken library wrote it",
        "requestedBy": "ada",
    }
    made["spec"]["skips"] = [skip | fields]
    return AgentDeployment.model_validate(made)


def commit(harness: Harness, offset: int) -> None:
    topic_id = harness.topics.topics[NAMES.decisions].topic_id
    place = offset, ChainHead().metadata(topic_id, offset)
    harness.offsets.committed[NAMES.gate_group, NAMES.decisions, 1] = place


async def test_x11_a_request_is_in_the_binding_until_the_gate_is_behind_it() -> None:
    async with running(*whole_namespace()) as harness:
        harness.offsets.ends[NAMES.decisions, 1] = (0, 9)
        commit(harness, 3)
        before = harness.binding().revision
        harness.put(asking(harness, 5))
        await harness.settle()
        [skip] = harness.binding().skips
        assert (skip.partition, skip.from_offset, skip.to_offset, skip.requested_by) == (1, 3, 5, "ada")
        assert harness.binding().revision > before
        assert len(harness.cluster.workloads) == 1

        commit(harness, 6)
        harness.acks.say(ack_of(harness.binding(), reason="RecordsSkipped", message="offsets 3 to 5 skipped"))
        await harness.settle()
        assert harness.binding().skips == ()
        accepted = next(part for part in harness.get(agent()).status.conditions if part.type == "Accepted")
        assert (accepted.status, accepted.reason, accepted.message) == ("True", "OK", "")


async def test_a_request_is_no_reason_to_start_pods_anew() -> None:
    async with running(*whole_namespace()) as harness:
        harness.offsets.ends[NAMES.decisions, 1] = (0, 9)
        commit(harness, 3)
        before = harness.cluster.workloads["risk", "guard"].spec_hash
        harness.put(asking(harness, 5))
        await harness.settle()
        assert harness.cluster.workloads["risk", "guard"].spec_hash == before


async def test_a_request_beyond_the_end_is_refused_in_a_condition_and_one_event() -> None:
    async with running(*whole_namespace()) as harness:
        harness.offsets.ends[NAMES.decisions, 1] = (0, 9)
        commit(harness, 3)
        harness.acks.say(ack_of(harness.binding()))
        harness.put(asking(harness, 9))
        for _ in range(2):
            harness.controller.add(GUARD)
            await harness.settle()
        assert harness.binding().skips == ()
        found = {part.type: part for part in harness.get(agent()).status.conditions}
        said = (
            "not skipped: partition 1, 3 to 9 is more than was written (toOffset is below seenEndOffset, "
            "and that at most the partition's end): only what is written is skipped"
        )
        assert (found["Accepted"].status, found["Accepted"].reason) == ("True", "SkipRefused")
        assert found["Accepted"].message == said
        assert found["Ready"].status == "True"
        assert [(event.reason, event.message) for event in harness.cluster.events] == [("SkipRefused", said)]


async def test_what_is_written_behind_a_refused_request_is_no_reason_to_say_it_again() -> None:
    async with running(*whole_namespace()) as harness:
        harness.offsets.ends[NAMES.decisions, 1] = (0, 9)
        commit(harness, 3)
        harness.put(asking(harness, 999))
        await harness.settle()
        told = list(harness.cluster.events)
        harness.effects.clear()
        for end in (10, 11, 12):
            harness.offsets.ends[NAMES.decisions, 1] = (0, end)
            harness.controller.add(GUARD)
            await harness.settle()
        assert (len(told), harness.cluster.events, harness.effects) == (1, told, [])


async def test_a_request_that_came_too_early_does_not_come_into_force_by_itself_though_no_status_was_kept() -> None:
    async with running(*whole_namespace()) as harness:
        harness.offsets.ends[NAMES.decisions, 1] = (0, 9)
        commit(harness, 3)
        harness.put(asking(harness, 9))
        await harness.settle()
        early = asking(harness, 9)
        harness.offsets.ends[NAMES.decisions, 1] = (0, 20)
        harness.put(early)  # as a restored one is, without a status
        await harness.settle()
        assert harness.binding().skips == ()
        assert conditions_of(harness.get(agent()))["Accepted"] == ("True", "SkipRefused")
        harness.put(asking(harness, 9, reason="looked at it anew"))
        await harness.settle()
        assert [skip.reason for skip in harness.binding().skips] == ["looked at it anew"]


async def test_a_request_of_a_topic_that_was_made_again_reaches_no_gate() -> None:
    async with running(*whole_namespace()) as harness:
        harness.offsets.ends[NAMES.decisions, 1] = (0, 9)
        commit(harness, 3)
        harness.put(asking(harness, 5, topicId="an-earlier-one"))
        await harness.settle()
        assert harness.binding().skips == ()
