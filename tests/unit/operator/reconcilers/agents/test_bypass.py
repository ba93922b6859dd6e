"""Whose rights end an agent's pods: those that lead round its gate, of whoever is not trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.models.base import TopicRef
from streamwarden_contract.names import InstallationNames
from streamwarden_operator.errors import ForbiddenError
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.ports import Acl
from support.operator_harness import SETTINGS, agent, conditions_of, contract, running, until, whole_namespace

if TYPE_CHECKING:
    from support.operator_harness import Harness

GUARD = whole_namespace()[-1]
TRUSTING = SETTINGS.model_copy(update={"principal": "User:ops", "trusted_principals": ("User:admin",)})


async def judged(harness: Harness, acl: Acl) -> tuple[str, str]:
    """Return the agent's AccessReady once the cluster has this ACL too."""
    harness.acls.acls.add(acl)
    harness.controller.add(Key("AgentDeployment", "risk", "guard"))
    await harness.settle()
    return conditions_of(harness.get(GUARD))["AccessReady"]


@pytest.mark.parametrize("principal", ["User:ops", "User:admin"])
async def test_x90_the_operators_own_principal_and_trusted_ones_lead_round_no_gate(principal: str) -> None:
    async with running(*whole_namespace(), settings=TRUSTING) as harness:
        assert await judged(harness, Acl(principal, "TOPIC", "*", "ALL")) == ("True", "OK")
        assert harness.cluster.workloads != {}


@pytest.mark.parametrize("principal", ["User:streamwarden.operator", "User:administrator", "Group:admin"])
async def test_x90_nobody_is_trusted_for_a_name_that_settings_do_not_say(principal: str) -> None:
    async with running(*whole_namespace(), settings=TRUSTING) as harness:
        assert await judged(harness, Acl(principal, "TOPIC", "*", "ALL")) == ("False", "BypassPossible")
        assert harness.cluster.workloads == {}


@pytest.mark.parametrize(
    "acl",
    [
        pytest.param(Acl("User:mallory", "TOPIC", "risk.guard.decisions", "READ"), id="reads-decisions"),
        pytest.param(Acl("User:mallory", "GROUP", "risk.guard.gate", "READ"), id="joins-the-gates-group"),
        pytest.param(Acl("User:mallory", "TRANSACTIONAL_ID", "risk.guard.gate.p", "WRITE"), id="fences-a-gate"),
    ],
)
async def test_x100_pods_end_where_a_stranger_can_lose_hide_or_fence_decisions(acl: Acl) -> None:
    async with running(*whole_namespace()) as harness:
        assert await judged(harness, acl) == ("False", "BypassPossible")
        assert harness.cluster.workloads == {}
        (event,) = harness.cluster.events
        assert "STREAMWARDEN_TRUSTED_PRINCIPALS" in event.message
        harness.acls.acls.discard(acl)
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK")


@pytest.mark.parametrize(
    ("annotations", "topic"),
    [({}, "pages"), ({}, "none"), ({"streamwarden.io/pause-reconciliation": "true"}, "pages")],
    ids=["in-conflict", "refused", "held"],
)
async def test_an_agent_that_somebody_applies_lends_its_name_to_no_strangers_user(
    annotations: dict[str, str], topic: str
) -> None:
    stranger = Acl("User:risk.other.gate", "TOPIC", "risk.guard.decisions", "READ")
    async with running(*whole_namespace()) as harness:
        harness.users.passwords["risk.other.gate"] = "a stranger's"
        assert await judged(harness, stranger) == ("False", "BypassPossible")
        other = agent("other", annotations=annotations).model_dump(mode="json", by_alias=True)
        other["spec"]["inputs"][0]["topicRef"]["name"] = topic
        harness.put(AgentDeployment.model_validate(other))
        await harness.settle()
        assert await judged(harness, stranger) == ("False", "BypassPossible")
        assert harness.cluster.workloads == {}


async def restarted(harness: Harness, *lost: str) -> None:
    """Start another process, whose inventory has the users of these agents not any more."""
    await harness.controller.stop()
    held = harness.log.topics[InstallationNames(harness.settings.installation).inventory]
    for key in [key for key in held if any(f"risk.{name}.".encode() in key for name in lost)]:
        del held[key]
    harness.controller = harness.new_controller()
    await harness.controller.start()
    harness.controller.caches_complete()
    for resource in harness.cluster.resources.values():
        harness.controller.changed(key_of(resource))
    await harness.settle()


async def test_x90_after_a_restart_a_name_that_was_never_ours_lends_nothing_before_its_first_pass() -> None:
    async with running(*whole_namespace()) as harness:
        await restarted(harness)
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK")
        harness.cluster.put(agent("other"))  # nobody tells the controller
        harness.users.passwords["risk.other.gate"] = "somebody's"
        stranger = Acl("User:risk.other.gate", "TOPIC", "risk.guard.decisions", "READ")
        assert await judged(harness, stranger) == ("False", "BypassPossible")
        assert harness.cluster.workloads == {}


async def test_x90_nor_does_one_whose_pass_ends_before_its_users_are_looked_at() -> None:
    async with running(*whole_namespace()) as harness:
        late, other = contract("late"), agent("other")
        paused = {"annotations": {"streamwarden.io/pause-reconciliation": "true"}}
        inputs = [other.spec.inputs[0].model_copy(update={"topic_ref": TopicRef(name="late")})]
        harness.put(
            late.model_copy(update={"metadata": late.metadata.model_copy(update=paused)}),
            other.model_copy(update={"spec": other.spec.model_copy(update={"inputs": inputs})}),
        )
        await until(lambda: conditions_of(harness.get(other)).get("TopicsReady", ("", ""))[0] == "False", 30)
        harness.users.passwords["risk.other.gate"] = "somebody's"
        stranger = Acl("User:risk.other.gate", "TOPIC", "risk.guard.decisions", "READ")
        assert await judged(harness, stranger) == ("False", "BypassPossible")


async def test_x90_whose_secrets_nobody_may_read_is_proven_by_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(*whole_namespace()) as harness:
        read = harness.cluster.read_secret

        async def forbid(namespace: str, name: str) -> Any:
            if name.startswith("other-"):
                raise ForbiddenError("secrets are forbidden")
            return await read(namespace, name)

        monkeypatch.setattr(harness.cluster, "read_secret", forbid)
        harness.cluster.put(agent("other"))
        stranger = Acl("User:risk.other.gate", "TOPIC", "risk.guard.decisions", "READ")
        assert await judged(harness, stranger) == ("False", "BypassPossible")


@pytest.mark.parametrize("lost", [pytest.param(("guard",), id="one"), pytest.param(("guard", "other"), id="both")])
async def test_x90_agents_that_the_inventory_has_lost_are_proven_by_their_secrets_and_no_pod_ends(
    lost: tuple[str, ...],
) -> None:
    """Each has rights on topics that both share: they must not take each other for strangers, for good."""
    other = agent("other")
    async with running(*whole_namespace(), other) as harness:
        before = dict(harness.cluster.workloads)
        await restarted(harness, *lost)
        inventory = harness.access.users.inventory
        await until(lambda: inventory.made_agents("risk") == {"guard", "other"}, 30)
        await harness.settle()
        for each in (GUARD, other):
            assert conditions_of(harness.get(each))["AccessReady"] == ("True", "OK")
        assert harness.cluster.workloads == before
        assert not any("delete workload" in str(effect) for effect in harness.effects)


async def look_at_acls(harness: Harness) -> None:
    """Have the watch of ACLs do its next round."""
    await cast("Any", harness.controller)._loops["acls"].__self__.tick()
    await harness.settle()


async def test_a_stranger_is_found_by_the_one_listing_for_all_and_nobody_else_need_change_anything() -> None:
    stranger = Acl("User:mallory", "TOPIC", "risk.guard.decisions", "READ")
    async with running(*whole_namespace()) as harness:
        harness.acls.acls.add(stranger)
        await look_at_acls(harness)
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("False", "BypassPossible")
        assert harness.cluster.workloads == {}
        harness.acls.acls.discard(stranger)
        await look_at_acls(harness)
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK")
        assert harness.cluster.workloads != {}


async def test_an_acl_that_somebody_takes_from_an_agent_is_put_back_by_the_listing_for_all() -> None:
    async with running(*whole_namespace()) as harness:
        before = set(harness.acls.acls)
        lost = next(acl for acl in sorted(before) if acl.principal == "User:risk.guard.agent")
        harness.acls.acls.discard(lost)
        await look_at_acls(harness)
        assert harness.acls.acls == before


async def test_a_listing_in_which_nothing_is_strange_wakes_nobody() -> None:
    async with running(*whole_namespace()) as harness:
        reconciled: list[Key] = []
        harness.controller.queue.on_reconciled = lambda found: reconciled.append(found.key)
        await look_at_acls(harness)
        harness.acls.down = True
        await look_at_acls(harness)  # an outage is no news of anybody, either
        assert reconciled == []


async def test_what_others_have_done_by_such_rights_is_found_before_pods_start_again() -> None:
    def looks_last(harness: Harness) -> None:
        harness.looks_last_s = 3_600.0

    async with running(*whole_namespace(), prepare=looks_last) as harness:
        acl = Acl("User:mallory", "GROUP", "risk.guard.gate", "READ")
        assert await judged(harness, acl) == ("False", "BypassPossible")
        harness.offsets.committed |= dict.fromkeys(harness.offsets.committed, (9, "mallory"))
        harness.offsets.ends |= {(topic, number): (0, 9) for _, topic, number in harness.offsets.committed}
        harness.logins.tokens["risk.guard.gate"] = 1
        harness.acls.acls.discard(acl)
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("False", "OffsetsLost")
        assert (harness.logins.tokens, harness.cluster.workloads) == ({}, {})
