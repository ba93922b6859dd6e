"""An agent's quotas: before it may write, put right when changed, and gone with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_operator.keys import Key
from streamwarden_operator.ports import AclPlan
from support.operator_harness import SETTINGS, agent, conditions_of, name_of, running, until, user_of, whole_namespace

if TYPE_CHECKING:
    from support.operator_harness import Harness

GUARD = agent()
USER, OTHER, GHOST = "risk.guard.agent", "reporting", "risk.ghost.agent"
PRODUCER, REQUESTS = "producer_byte_rate", "request_percentage"
LIMITED = SETTINGS.model_copy(update={"agent_producer_byte_rate": 1_048_576})
WANTED = {PRODUCER: 1_048_576.0}


def resync(harness: Harness) -> None:
    harness.controller.changed(Key("AgentDeployment", "risk", "guard"))


def delete(harness: Harness) -> None:
    found = harness.get(GUARD)
    metadata = found.metadata.model_copy(update={"deletion_timestamp": "2026-01-01T00:00:00Z"})
    harness.put(found.model_copy(update={"metadata": metadata}))


def is_gone(harness: Harness) -> bool:
    return harness.cluster.get(type(GUARD), *name_of(GUARD)) is None


async def test_x08_an_agent_has_its_quota_before_it_may_write() -> None:
    async with running(*whole_namespace(), settings=LIMITED) as harness:
        assert harness.quotas.quotas == {USER: WANTED}
        given = next(
            index
            for index, effect in enumerate(harness.effects)
            if isinstance(effect[2], AclPlan) and any(acl.principal == f"User:{USER}" for acl in effect[2].add)
        )
        assert [effect[0] for effect in harness.effects].index("quotas") < given


async def test_settings_that_say_none_ask_kafka_nothing() -> None:
    async with running(*whole_namespace()) as harness:
        harness.quotas.quotas = {USER: {PRODUCER: 1.0}}
        resync(harness)
        await harness.settle()
        delete(harness)
        await until(lambda: is_gone(harness))
        assert (harness.quotas.asked, harness.quotas.quotas) == (0, {USER: {PRODUCER: 1.0}})


async def test_a_changed_quota_is_put_right_and_an_unchanged_one_costs_no_write() -> None:
    async with running(*whole_namespace(), settings=LIMITED) as harness:
        harness.quotas.quotas[USER] = {PRODUCER: 9e9, REQUESTS: 50.0}
        resync(harness)
        await harness.settle()
        assert harness.quotas.quotas == {USER: {**WANTED, REQUESTS: 50.0}}
        writes = len(harness.quotas.writes)
        resync(harness)
        await harness.settle()
        assert len(harness.quotas.writes) == writes


async def test_a_deleted_agent_leaves_no_quota_and_others_keep_theirs() -> None:
    async with running(*whole_namespace(), settings=LIMITED) as harness:
        harness.quotas.quotas[OTHER] = {PRODUCER: 5.0}
        delete(harness)
        await until(lambda: is_gone(harness))
        await harness.settle()
        assert {user: own for user, own in harness.quotas.quotas.items() if own} == {OTHER: {PRODUCER: 5.0}}


async def test_quotas_of_agents_that_are_no_more_are_swept() -> None:
    def left_behind(harness: Harness) -> None:
        harness.users.passwords[GHOST] = "p"
        harness.remember(user_of("ghost"))
        harness.quotas.quotas = {GHOST: dict(WANTED), OTHER: {PRODUCER: 5.0}, "other.ghost.agent": {PRODUCER: 6.0}}

    async with running(*whole_namespace(), settings=LIMITED, prepare=left_behind) as harness:
        assert {user: own for user, own in harness.quotas.quotas.items() if own} == {
            USER: WANTED,
            OTHER: {PRODUCER: 5.0},
            "other.ghost.agent": {PRODUCER: 6.0},
        }


async def test_an_agent_whose_quota_is_refused_may_not_write_and_says_so() -> None:
    async with running(settings=LIMITED) as harness:
        harness.quotas.refuses = "could not list the quotas: no right. Grant it"
        harness.put(*whole_namespace())
        await until(lambda: conditions_of(harness.get(GUARD)).get("AccessReady") == ("Unknown", "QuotaRefused"))
        conditions = conditions_of(harness.get(GUARD))
        assert conditions["Ready"] == ("Unknown", "QuotaRefused")
        assert not [acl for acl in harness.acls.acls if acl.principal == f"User:{USER}" and acl.operation == "WRITE"]
        assert harness.cluster.workloads == {}
        assert [(event.reason, event.message) for event in harness.cluster.events if event.warning] == [
            ("QuotaRefused", "AccessReady: could not list the quotas: no right. Grant it")
        ]
        harness.quotas.refuses = ""
        await until(lambda: conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK"))
        assert harness.quotas.quotas == {USER: WANTED}


async def test_an_agent_that_runs_goes_on_while_its_quota_is_refused() -> None:
    async with running(*whole_namespace(), settings=LIMITED) as harness:
        before = (set(harness.acls.acls), dict(harness.cluster.workloads))
        harness.quotas.refuses = "could not list the quotas: no right. Grant it"
        resync(harness)
        await until(lambda: conditions_of(harness.get(GUARD)).get("AccessReady") == ("Unknown", "QuotaRefused"))
        assert (harness.acls.acls, harness.cluster.workloads) == before


async def test_a_refused_removal_says_how_to_let_go_and_leaves_no_access() -> None:
    async with running(*whole_namespace(), settings=LIMITED) as harness:
        harness.quotas.refuses = "could not list the quotas: no right. Grant it"
        delete(harness)
        await until(lambda: conditions_of(harness.get(GUARD))["Ready"] == ("False", "DeletionBlocked"))
        assert (harness.acls.acls, harness.users.passwords) == (set(), {})
        harness.quotas.refuses = ""
        await until(lambda: is_gone(harness))
        assert harness.quotas.quotas == {USER: {}}
