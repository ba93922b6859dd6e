"""An operator that is newer than the gates: what they could not read is told, and new pods end the waiting."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from streamwarden_contract.acks import ReadFormats
from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.names import AgentNames, InstallationNames
from streamwarden_operator.desired.acls import agent_acls, gate_acls
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.ports import Acl, AclPlan
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
    import pytest
    from streamwarden_contract.acks import GateAck
    from streamwarden_contract.models import Policy
    from streamwarden_contract.models.base import Kind

GUARD, STRICT = agent(), policy("strict")
INSTALLATION, NAMES = InstallationNames(), AgentNames("risk", "guard")
TOPIC = "risk.streamwarden.policies"
WAITS = (
    "held back: gates of an earlier version would refuse all their policies for {}: {}. It is published once none of "
    "them runs: give their agents a newer image"
)
NEWER = ReadFormats(policy_log=2)


def said(harness: Harness, resource: Policy | AgentDeployment, kind: str) -> tuple[str, str, str]:
    found = harness.get(resource).status.conditions
    return next((part.status, part.reason, part.message) for part in found if part.type == kind)


def edit(harness: Harness, resource: Kind, **spec: Any) -> None:
    """Edit a resource as people do."""
    made = harness.get(resource).model_dump(by_alias=True, mode="json")
    made["spec"] |= spec
    made["metadata"]["generation"] += 1
    harness.put(type(resource).model_validate(made))


def with_data(harness: Harness) -> None:
    edit(
        harness, STRICT, params={"least": 0.8}, rules=[{"name": "r", "require": "decision.confidence >= params.least"}]
    )


def published(harness: Harness, key: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(harness.log.topics[TOPIC][key.encode()].value or b"")
    return found


def image(harness: Harness) -> str:
    return harness.cluster.workloads["risk", "guard"].image


async def test_m09_a_policy_that_older_gates_could_not_read_waits_until_their_pods_are_replaced() -> None:
    async with running(*whole_namespace()) as harness:
        for pod in ("pod-0", "pod-1"):
            harness.acks.say(ack_of(harness.binding(), pod, formats=None))
        before = dict(harness.log.topics[TOPIC])
        with_data(harness)
        await harness.settle()
        waits = WAITS.format("params", "guard/pod-0, guard/pod-1")
        assert harness.log.topics[TOPIC] == before
        assert said(harness, STRICT, "Published") == ("False", "GatesTooOld", f"{waits}; revision 1 stays in force")
        assert said(harness, GUARD, "GateReady") == ("False", "GatesTooOld", waits)
        edit(harness, GUARD, image="registry.example/guard:2")
        await harness.settle()
        assert image(harness) == "registry.example/guard:2", "or nothing would ever end the waiting"

        harness.acks.say(ack_of(harness.binding(), "pod-2", formats=NEWER))
        harness.acks.say(ack_of(harness.binding(), "pod-0", formats=None, state="Stopped"))
        await harness.settle()
        assert said(harness, GUARD, "GateReady")[2] == WAITS.format("params", "guard/pod-1")
        harness.acks.say(ack_of(harness.binding(), "pod-1", formats=None, state="Stopped"))
        await harness.settle()
        record = published(harness, "policy/strict")
        assert (record["format"], record["spec"]["params"]) == (2, {"least": 0.8})
        assert conditions_of(harness.get(STRICT))["Published"] == ("True", "OK")
        assert conditions_of(harness.get(GUARD))["GateReady"] == ("True", "OK")


async def test_a_log_has_an_index_while_all_gates_read_that_and_is_written_anew_for_one_that_does_not() -> None:
    async with running(*whole_namespace()) as harness:
        assert published(harness, "binding/guard")["format"] == 1, "no gate has spoken yet"
        harness.acks.say(ack_of(harness.binding(), "pod-0", formats=ReadFormats(policy_log=3)))
        await until(lambda: b"index" in harness.log.topics[TOPIC])
        names = [{"name": name, "namespace": "risk"} for name in ("strict", "watch")]
        assert published(harness, "binding/guard")["policies"] == names
        assert published(harness, "epoch")["index_revision"] == published(harness, "index")["revision"]
        binding = harness.log.topics[TOPIC][b"binding/guard"]
        edit(harness, STRICT, rules=[{"name": "r", "require": "decision.confidence >= 0.9"}])
        await harness.settle()
        assert harness.log.topics[TOPIC][b"binding/guard"] == binding
        record, index = published(harness, "policy/strict"), published(harness, "index")
        assert index["policies"]["strict"] == {"revision": record["revision"], "digest": record["digest"]}
        assert {ref.name: ref.revision for ref in harness.get(GUARD).status.policies}["strict"] == record["revision"]

        refuses = {"formats": ReadFormats(policy_log=2), "state": "Rejected", "reason": "Unreadable"}
        harness.acks.say(ack_of(harness.binding(), "pod-1", **refuses))
        await until(lambda: b"index" not in harness.log.topics[TOPIC])
        assert {each["name"]: each.get("revision") for each in published(harness, "binding/guard")["policies"]} == {
            name: version["revision"] for name, version in index["policies"].items()
        }
        assert published(harness, "epoch")["format"] == 1

        before = dict(harness.log.topics[TOPIC])
        harness.acks.say(ack_of(harness.binding(), "pod-1"))
        harness.controller.changed(Key("PolicyLog", "risk"))
        await harness.settle()
        assert harness.log.topics[TOPIC] == before, "made-up acks in turns would have all written each time"


async def test_a_pod_that_was_killed_holds_nothing_back() -> None:
    async with running(*whole_namespace()) as harness:
        harness.acks.say(ack_of(harness.binding(), "pod-0", formats=None))
        with_data(harness)
        await harness.settle()
        assert conditions_of(harness.get(STRICT))["Published"] == ("False", "GatesTooOld")
        harness.cluster.existing_pods["risk", "guard"] = frozenset()
        harness.controller.add(key_of(GUARD))
        await until(lambda: conditions_of(harness.get(STRICT))["Published"] == ("True", "OK"))


def wakes(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each reading of the namespace's policy log is added."""
    read, seen = harness.log.read, list[str]()

    async def noted(topic: str) -> Any:
        if topic == TOPIC:
            seen.append(topic)
        return await read(topic)

    monkeypatch.setattr(harness.log, "read", noted)
    return seen


async def test_the_log_is_read_again_only_when_gates_that_hold_something_back_say_something_new_or_are_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(*whole_namespace()) as harness:
        for pod in ("pod-0", "pod-1"):
            harness.acks.say(ack_of(harness.binding(), pod, formats=None))
        with_data(harness)
        await harness.settle()
        seen = wakes(harness, monkeypatch)

        async def reads_after(*keys: Key, ack: GateAck | None = None) -> int:
            seen.clear()
            if ack is not None:
                harness.acks.say(ack)
            for key in keys:
                harness.controller.add(key)
            await harness.settle()
            return len(seen)

        assert await reads_after(key_of(GUARD), key_of(STRICT)) == 0, "nothing is new"
        assert await reads_after(ack=ack_of(harness.binding(), "pod-0", formats=None)) == 0, "it says the same again"
        # Both the gate's word and the look at its agent ask for it: once more where it is being read meanwhile.
        assert await reads_after(ack=ack_of(harness.binding(), "pod-0", formats=None, state="Stopped")) in {1, 2}
        harness.cluster.existing_pods["risk", "guard"] = frozenset()
        assert await reads_after(key_of(GUARD)) in {1, 2}, "the last one is gone, and could not say so"
        assert conditions_of(harness.get(STRICT))["Published"] == ("True", "OK")
        assert await reads_after(key_of(GUARD)) == 0


async def test_what_needs_no_newer_field_is_published_to_older_gates_in_the_bytes_of_ever() -> None:
    async with running(*whole_namespace()) as harness:
        harness.acks.say(ack_of(harness.binding(), "pod-0", formats=None))
        edit(harness, STRICT, rules=[{"name": "r", "require": "decision.confidence >= 0.5"}])
        await harness.settle()
        assert conditions_of(harness.get(STRICT))["Published"] == ("True", "OK")
        assert {published(harness, key.decode())["format"] for key in harness.log.topics[TOPIC]} == {1}


async def test_nothing_newer_is_published_before_all_gates_are_known() -> None:
    async with running(*whole_namespace()) as harness:
        harness.acks.unread.add("risk")
        harness.acks.say(ack_of(harness.binding(), "pod-0", formats=NEWER))
        with_data(harness)
        await harness.settle()
        unknown = "waits until it is known which formats of the policy log the running gates read"
        stays = f"{unknown}; revision 1 stays in force"
        assert said(harness, STRICT, "Published") == ("Unknown", "Pending", stays)
        assert said(harness, GUARD, "GateReady") == ("Unknown", "Pending", unknown)
        harness.acks.read_all("risk")
        await harness.settle()
        assert conditions_of(harness.get(STRICT))["Published"] == ("True", "OK")
        assert conditions_of(harness.get(GUARD))["GateReady"] == ("True", "OK")


async def test_m09_an_expiry_that_older_gates_do_not_know_waits_and_new_pods_come_all_the_same() -> None:
    expires = {"type": "block-page", "commandTopicRef": {"name": "commands"}, "expiresAfter": "30s"}
    async with running(*whole_namespace()) as harness:
        harness.acks.say(ack_of(harness.binding(), "pod-0", formats=None))
        edit(harness, GUARD, decisions=[expires], image="registry.example/guard:2")
        await harness.settle()
        waits = WAITS.format("expiresAfter", "guard/pod-0")
        assert said(harness, GUARD, "GateReady") == ("False", "GatesTooOld", waits)
        assert harness.binding().decisions["block-page"].expires_after_ms is None
        assert image(harness) == "registry.example/guard:2"
        harness.acks.say(ack_of(harness.binding(), "pod-0", state="Stopped"))
        await harness.settle()
        assert harness.binding().decisions["block-page"].expires_after_ms == 30_000
        assert published(harness, "binding/guard")["format"] == 2


async def test_pods_that_would_decide_what_no_gate_may_judge_yet_wait_with_their_binding() -> None:
    """New pods that decide a type that the last binding does not name would get dead letters for it."""
    decisions = [{"type": name, "commandTopicRef": {"name": "commands"}} for name in ("block-page", "ban")]
    expiring = [{**each, "expiresAfter": "30s"} for each in decisions]
    async with running(*whole_namespace()) as harness:
        harness.acks.say(ack_of(harness.binding(), "pod-0", formats=None))
        edit(harness, GUARD, decisions=expiring, image="registry.example/guard:2")
        await harness.settle()
        status, reason, message = said(harness, GUARD, "GateReady")
        assert (status, reason) == ("False", "GatesTooOld")
        assert message == WAITS.format("expiresAfter", "guard/pod-0") + (
            ". Its other changes need the binding too, so no pod of this agent is replaced before: leave those fields "
            "out until its image is a newer one"
        )
        assert image(harness) == "registry.example/guard:1"
        edit(harness, GUARD, decisions=decisions)
        await harness.settle()
        assert (image(harness), set(harness.binding().decisions)) == ("registry.example/guard:2", {"block-page", "ban"})


async def test_pods_may_go_on_by_a_binding_whose_successor_waits() -> None:
    """Without the right to the last one's topics they would halt, though nothing is wrong with them."""
    expiring = [{"type": "block-page", "commandTopicRef": {"name": "blocks"}, "expiresAfter": "30s"}]
    mails = [{"name": "mails", "topicRef": {"name": "mails"}}]
    async with running(*whole_namespace(), contract("blocks"), contract("mails")) as harness:
        harness.acks.say(ack_of(harness.binding(), "pod-0", formats=None))
        extra = Acl("User:risk.guard.gate", "TOPIC", "risk.mails", "WRITE")
        harness.acls.acls.add(extra)
        edit(harness, GUARD, decisions=expiring, inputs=mails)
        await harness.settle()
        assert said(harness, GUARD, "GateReady")[1] == "GatesTooOld"
        before = gate_acls(INSTALLATION, NAMES, ["risk.commands"]) | agent_acls(NAMES, ["risk.pages"])
        assert harness.acls.acls == before | gate_acls(INSTALLATION, NAMES, ["risk.blocks"])
        harness.acks.say(ack_of(harness.binding(), "pod-0"))
        after = gate_acls(INSTALLATION, NAMES, ["risk.blocks"]) | agent_acls(NAMES, ["risk.mails"])
        await until(lambda: harness.acls.acls == after)
        assert harness.binding().decisions["block-page"].topic == "risk.blocks"


async def test_what_an_earlier_agent_of_the_name_was_bound_to_gives_nothing() -> None:
    async with running(*whole_namespace(), contract("blocks")) as harness:
        commands = Acl("User:risk.guard.gate", "TOPIC", "risk.commands", "WRITE")
        begun = len(harness.effects)
        made = agent(uid="uid-2").model_dump(by_alias=True, mode="json")
        made["spec"]["decisions"][0]["commandTopicRef"]["name"] = "blocks"
        harness.put(AgentDeployment.model_validate(made))
        await harness.settle()
        happened = harness.effects[begun:]
        taken = [isinstance(plan := each[-1], AclPlan) and commands in plan.remove for each in happened].index(True)
        bound = [each[0] == "log" and "binding/guard" in each[-1] for each in happened].index(True)  # type: ignore[operator]  # a tuple of keys
        assert taken < bound


async def test_another_agent_that_a_waiting_policy_selects_keeps_what_it_has_and_says_for_whose_gates() -> None:
    async with running(*whole_namespace(), agent("clerk")) as harness:
        harness.acks.say(ack_of(harness.binding(), "pod-0", formats=None))
        harness.acks.say(ack_of(harness.binding("clerk"), "pod-0"))
        harness.put(policy("third", "params.most > 1", params={"most": 3}))
        await harness.settle()
        waits = WAITS.format("params", "guard/pod-0")
        assert said(harness, policy("third"), "Published") == ("False", "GatesTooOld", waits)
        assert said(harness, agent("clerk"), "GateReady") == ("False", "GatesTooOld", waits)
        assert {ref.name for ref in harness.binding("clerk").policies} == {"strict", "watch"}
        harness.acks.say(ack_of(harness.binding(), "pod-0"))
        await harness.settle()
        assert "third" in {ref.name for ref in harness.binding("clerk").policies}
        assert conditions_of(harness.get(agent("clerk")))["GateReady"] == ("True", "OK")


async def test_m09_a_policy_that_is_made_again_while_another_agent_still_has_it_binds_no_older_gate() -> None:
    third = policy("third", "params.most > 1", params={"most": 3})
    slip = policy("slip", "(", match={"agentSelector": {"matchLabels": {"team": "b"}}})
    clerk = agent("clerk", labels={"team": "b"})
    async with running(*whole_namespace(), clerk, third) as harness:
        harness.put(slip)
        harness.cluster.remove(third)
        harness.controller.changed(key_of(third))
        await harness.settle()
        assert "third" in harness.binding("clerk").policy_names, "it keeps its last binding for the slip"
        before = harness.binding()
        assert "third" not in before.policy_names

        harness.acks.say(ack_of(before, "pod-0", formats=None))
        harness.put(third)
        await harness.settle()
        assert harness.binding() == before
        assert said(harness, GUARD, "GateReady") == ("False", "GatesTooOld", WAITS.format("params", "guard/pod-0"))
        harness.acks.say(ack_of(before, "pod-0", state="Stopped"))
        await until(lambda: "third" in harness.binding().policy_names)
        harness.acks.say(ack_of(harness.binding(), "pod-1"))
        await until(lambda: conditions_of(harness.get(GUARD))["GateReady"] == ("True", "OK"))


async def test_an_agent_at_zero_holds_nothing_back_and_says_it_where_an_older_gate_starts_all_the_same() -> None:
    """What its image reads is not known then: the policy would wait, for others too, for one that may never start."""
    async with running(*whole_namespace(), agent("clerk")) as harness:
        harness.acks.say(ack_of(harness.binding("clerk"), "pod-9"))
        for state in ("InForce", "Stopped"):
            harness.acks.say(ack_of(harness.binding(), "pod-0", formats=None, state=state))
        with_data(harness)
        await harness.settle()
        assert conditions_of(harness.get(STRICT))["Published"] == ("True", "OK")
        assert harness.binding().policies == harness.binding("clerk").policies

        why = "policy/strict: spec.params: Extra inputs are not permitted"
        refused = {"formats": None, "state": "Rejected", "reason": "Unreadable", "message": why, "policies": ()}
        harness.acks.say(ack_of(harness.binding(), "pod-1", **refused))
        await harness.settle()
        assert said(harness, GUARD, "GateReady") == (
            "False",
            "RejectedByGate",
            f"gate pod-1 refuses its policies: {why}",
        )
        assert said(harness, STRICT, "RolledOut") == ("False", "RejectedByGate", f"guard/pod-1: {why}")
        harness.acks.say(ack_of(harness.binding(), "pod-1", **refused | {"state": "Stopped"}))
        for name, pod in (("guard", "pod-2"), ("clerk", "pod-9")):
            harness.acks.say(ack_of(harness.binding(name), pod))
        await until(lambda: conditions_of(harness.get(STRICT))["RolledOut"][0] == "True")
        assert conditions_of(harness.get(GUARD))["GateReady"] == ("True", "OK")
