"""What is ours is in the inventory, never guessed from a name (X80): two installations, and strangers, on one Kafka."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.inventory import NamespaceItem, Stage
from streamwarden_contract.policylog import KEY_ID_HEADER, SIGNATURE_HEADER
from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.desired.acls import acls_of
from streamwarden_operator.desired.credentials import Credential, build_secret
from streamwarden_operator.errors import ForbiddenError, KafkaUnavailableError
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.ports import Acl, SignedRecord, Topic, TopicPlan
from streamwarden_operator.reconcilers.agents.login_tries import DOUBTED_S
from support.operator_harness import (
    SETTINGS,
    Harness,
    agent,
    conditions_of,
    contract,
    on_the_kafka_of,
    policy,
    running,
    state_of,
    until,
    user_of,
    whole_namespace,
)

if TYPE_CHECKING:
    from streamwarden_contract.models.base import Kind

SECOND = SETTINGS.model_copy(update={"installation": "second"})
GUARD = agent()
USERS = ("risk.guard.agent", "risk.guard.gate")
OF_CONTRACTS = {"topic/risk.pages", "topic/risk.commands", "subject/risk.commands-value"}
GRANT = Acl("User:billing.invoice.agent", "TOPIC", "billing.invoices", "READ")


async def started(harness: Harness, *resources: Kind) -> None:
    harness.put(*resources)
    await harness.controller.start()
    harness.controller.caches_complete()
    await harness.settle()


def inventory_of(harness: Harness, installation: str = "streamwarden") -> set[str]:
    return {key.decode() for key in harness.log.topics[f"{installation}.inventory"]}


async def test_all_that_is_made_is_in_the_inventory() -> None:
    async with running(*whole_namespace()) as harness:
        users = {f"user/{user}" for user in USERS}
        assert inventory_of(harness) == {"installation", "namespace/risk", *users, *OF_CONTRACTS}


async def test_a_start_takes_nothing_from_users_of_namespaces_that_it_knows_nothing_of() -> None:
    def strangers(harness: Harness) -> None:
        harness.users.passwords |= {"billing.invoice.agent": "x", "risk.ghost.gate": "y"}
        harness.acls.acls.add(GRANT)

    async with running(*whole_namespace(), prepare=strangers) as harness:
        assert {"billing.invoice.agent", "risk.ghost.gate"} <= set(harness.users.passwords)
        assert GRANT in harness.acls.acls


async def test_access_of_agents_that_are_no_more_is_swept_once_all_is_known() -> None:
    stale = Acl("User:gone.ghost.gate", "TOPIC", "gone.commands", "WRITE")
    foreign = Acl("User:alice", "TOPIC", "gone.commands", "READ")
    harness = Harness()
    harness.acls.acls |= {stale, foreign}
    harness.users.passwords |= {"risk.ghost.agent": "x", "alice": "y"}
    harness.remember(user_of("ghost", "gate", "gone"), user_of("ghost"))
    harness.put(contract("pages"), policy("strict"))
    await harness.controller.start()
    await harness.settle()
    assert stale in harness.acls.acls
    harness.controller.caches_complete()
    await until(lambda: harness.acls.acls == {foreign} and set(harness.users.passwords) == {"alice"})
    await harness.controller.stop()


async def test_of_namespaces_that_are_watched_no_more_nothing_is_swept() -> None:
    narrow = SETTINGS.model_copy(update={"watch_namespaces": ("risk",)})

    def earlier(harness: Harness) -> None:
        harness.users.passwords |= {"billing.invoice.agent": "x", "risk.ghost.gate": "y"}
        harness.remember(user_of("invoice", "agent", "billing"), user_of("ghost", "gate"))

    async with running(*whole_namespace(), settings=narrow, prepare=earlier) as harness:
        assert set(harness.users.passwords) == {"billing.invoice.agent", *USERS}
        assert "user/billing.invoice.agent" in inventory_of(harness)


async def test_a_second_installation_with_the_same_namespace_and_agent_is_told_and_harms_nothing() -> None:
    async with running(*whole_namespace(), contract("clicks", access={"consumers": ["User:bi"]})) as first:
        before = state_of(first)
        second = on_the_kafka_of(first, SECOND)
        theirs = contract("clicks", access={"producers": ["User:web"]}, partitions=9)
        await started(second, *whole_namespace(), theirs)
        assert state_of(first) == before
        assert conditions_of(second.get(GUARD))["Ready"] == ("False", "NamespaceTaken")
        assert conditions_of(second.get(theirs))["TopicReady"] == ("False", "NamespaceTaken")
        said = {part.type: part for part in second.get(policy("strict")).status.conditions}["Published"]
        assert (said.reason, "another installation has the namespace 'risk'" in said.message) == ("NotPublished", True)
        assert second.cluster.workloads == {}
        await second.controller.stop()


async def test_x80_a_record_that_names_a_key_which_we_have_lost_makes_a_namespace_of_others_not_ours() -> None:
    """Nobody can verify by a lost key: who may write on their topic named it, and we wrote over their policies."""
    async with running(*whole_namespace()) as first:
        named = ((SIGNATURE_HEADER, b"s" * 64), (KEY_ID_HEADER, b"5ca509192950fcfd"))
        first.log.topics["risk.streamwarden.policies"][b"policy/x"] = SignedRecord(b"policy/x", b"{}", named)
        before = state_of(first)
        second = on_the_kafka_of(first, SECOND)
        second.keys = PublisherKeys(HeldKeys(SigningKey.create(), abandoned=frozenset({"5ca509192950fcfd"})))
        second.controller = second.new_controller()
        await started(second, *whole_namespace())
        assert conditions_of(second.get(GUARD))["Ready"] == ("False", "NamespaceTaken")
        assert state_of(first) == before
        await second.controller.stop()


async def test_what_is_deleted_in_a_taken_namespace_goes_and_takes_nothing_along() -> None:
    async with running(*whole_namespace(), contract("clicks", deletionPolicy="Delete")) as first:
        second = on_the_kafka_of(first, SECOND)
        restored = contract("clicks", deletionPolicy="Delete")
        gone = {"deletion_timestamp": "2026-01-01T00:00:00Z"}
        finalizers = {"contract": "streamwarden.io/topic-contract", "agent": "streamwarden.io/agent-deployment"}
        topic_id = first.topics.topics["risk.clicks"].topic_id
        leaving = restored.model_copy(
            update={
                "metadata": restored.metadata.model_copy(update={**gone, "finalizers": (finalizers["contract"],)}),
                "status": restored.status.model_copy(update={"topic_id": topic_id}),
            }
        )
        ending = GUARD.model_copy(
            update={"metadata": GUARD.metadata.model_copy(update={**gone, "finalizers": (finalizers["agent"],)})}
        )
        before = state_of(first)
        await started(second, leaving, ending, policy("strict"))
        await until(lambda: not second.cluster.list(type(GUARD)) and not second.cluster.list(type(leaving)))
        assert state_of(first) == before
        await second.controller.stop()


async def test_a_namespace_that_is_given_up_is_claimed_by_who_waited_for_it() -> None:
    first = Harness()
    await started(first, *whole_namespace())
    await first.controller.stop()
    second = on_the_kafka_of(first, SECOND)
    await started(second, contract("pages"))
    assert conditions_of(second.get(contract("pages")))["TopicReady"] == ("False", "NamespaceTaken")
    first.topics.topics.pop("risk.streamwarden.policies")
    first.log.topics.pop("risk.streamwarden.policies")
    second.controller.add(Key("Namespace", "risk"))
    await until(lambda: conditions_of(second.get(contract("pages")))["TopicReady"] == ("True", "Adopted"))
    assert "namespace/risk" in inventory_of(second, "second")
    await second.controller.stop()


async def test_another_installation_of_the_same_name_ends_before_it_writes_or_fences() -> None:
    async with running(*whole_namespace()) as first:
        before, writes = state_of(first), len(first.log.writes)
        second = on_the_kafka_of(first, SETTINGS)
        second.put(*whole_namespace())
        await second.controller.start()
        await until(second.controller.lost.is_set)
        assert "give this one another (STREAMWARDEN_INSTALLATION)" in str(second.controller.lost_by)
        assert (state_of(first), len(first.log.writes)) == (before, writes)
        await second.controller.stop()


async def test_an_installation_without_an_inventory_is_taken_over_without_a_gap() -> None:
    first = Harness()
    await started(first, *whole_namespace())
    await first.controller.stop()
    first.topics.topics.pop("streamwarden.inventory")
    first.log.topics.pop("streamwarden.inventory")
    passwords, acls, pods = dict(first.users.passwords), set(first.acls.acls), dict(first.cluster.workloads)
    first.controller = first.new_controller()
    await started(first)
    first.controller.changed(key_of(GUARD))
    await first.settle()
    assert (first.users.passwords, first.acls.acls, first.cluster.workloads) == (passwords, acls, pods)
    assert {"namespace/risk", *(f"user/{user}" for user in USERS)} <= inventory_of(first)
    await first.controller.stop()


@pytest.mark.parametrize("stage", [None, Stage.INTENT], ids=["nobody-knows", "a-crash-between"])
async def test_a_user_of_the_name_that_no_secret_of_ours_opens_is_left_and_told(stage: Stage | None) -> None:
    def taken(harness: Harness) -> None:
        harness.users.passwords["risk.guard.gate"] = "somebody's"
        if stage is not None:
            harness.remember(user_of("guard", "gate", stage=stage))

    async with running(*whole_namespace(), prepare=taken) as harness:
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("False", "ResourceConflict")
        assert harness.users.passwords == {"risk.guard.gate": "somebody's"}
        assert (harness.acls.acls, harness.cluster.workloads) == (set(), {})


async def test_acls_of_a_name_that_is_no_user_are_somebody_s() -> None:
    theirs = Acl("User:risk.guard.agent", "TOPIC", "risk.other", "READ")
    async with running(*whole_namespace(), prepare=lambda harness: harness.acls.acls.add(theirs)) as harness:
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("False", "ResourceConflict")
        assert (harness.acls.acls, harness.users.passwords) == ({theirs}, {})


async def test_a_user_that_a_crash_left_unconfirmed_is_ours_if_its_secret_opens_it() -> None:
    def crashed(harness: Harness) -> None:
        harness.users.passwords["risk.guard.gate"] = "p"
        harness.cluster.secrets["risk", "guard-gate-credentials"] = dict(
            build_secret("risk.guard.gate", Credential("p"), "broker:9092")
        )
        harness.remember(user_of("guard", "gate", stage=Stage.INTENT))

    async with running(*whole_namespace(), prepare=crashed) as harness:
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK")
        assert harness.users.passwords["risk.guard.gate"] == "p"


async def test_a_deleted_agent_takes_no_user_along_that_is_not_ours() -> None:
    async with running(*whole_namespace(), prepare=lambda it: it.users.passwords.update({USERS[1]: "x"})) as harness:
        deleted = {"deletion_timestamp": "2026-01-01T00:00:00Z"}
        found = harness.get(GUARD)
        harness.put(found.model_copy(update={"metadata": found.metadata.model_copy(update=deleted)}))
        await until(lambda: not harness.cluster.list(type(GUARD)))
        await harness.settle()
        assert harness.users.passwords == {USERS[1]: "x"}


async def test_a_password_that_somebody_altered_is_found_at_a_start_and_put_right() -> None:
    """X87."""
    harness = Harness()
    await started(harness, *whole_namespace())
    await harness.controller.stop()
    right = dict(harness.users.passwords)
    harness.users.passwords["risk.guard.agent"] = "altered"
    harness.controller = harness.new_controller()
    await started(harness)
    harness.controller.changed(key_of(GUARD))
    await harness.settle()
    assert harness.users.passwords == right
    await harness.controller.stop()


async def test_a_password_is_tried_again_while_pods_are_not_ready_and_not_at_each_look() -> None:
    """X87."""
    async with running(*whole_namespace()) as harness:
        access = harness.access
        right, tries = dict(harness.users.passwords), len(harness.logins.tries)
        harness.users.passwords["risk.guard.agent"] = "altered"
        harness.controller.changed(key_of(GUARD))
        await harness.settle()
        assert len(harness.logins.tries) == tries
        for user in USERS:
            access.users.tries.last[user] -= DOUBTED_S + 1
        harness.controller.changed(key_of(GUARD))
        await harness.settle()
        assert harness.users.passwords == right


async def test_the_secret_is_written_before_kafka_is_told() -> None:
    """X87: what Kafka has, and nobody remembers, could not be told from a stranger's."""
    async with running(*whole_namespace()) as harness:
        made = [effect[:2] for effect in harness.effects if effect[:2] in {("cluster", "secret"), ("users", "upsert")}]
        assert made[:4] == [("cluster", "secret"), ("users", "upsert")] * 2


async def test_intents_come_before_what_they_are_of() -> None:
    async with running(*whole_namespace()) as harness:
        kinds = [
            effect[:2]
            for effect in harness.effects
            if effect[:3] == ("log", "publish", "streamwarden.inventory") or effect[:2] == ("users", "upsert")
        ]
        first = kinds.index(("users", "upsert"))
        assert kinds[first - 1 :] == [("log", "publish"), ("users", "upsert"), ("users", "upsert"), ("log", "publish")]


async def test_an_empty_policy_topic_that_nobody_of_ours_made_claims_nothing() -> None:
    empty = Topic("risk.streamwarden.policies", 1, 1, {"cleanup.policy": "compact"})

    def by_hand(harness: Harness) -> None:
        harness.topics.topics[empty.name] = replace(empty, topic_id="by-hand")

    async with running(contract("pages"), prepare=by_hand) as harness:
        assert conditions_of(harness.get(contract("pages")))["TopicReady"] == ("False", "NamespaceTaken")
        assert "risk.pages" not in harness.topics.topics
        harness.remember(NamespaceItem(namespace="risk", stage=Stage.INTENT))
        harness.controller = harness.new_controller()
        await started(harness)
        harness.controller.changed(key_of(contract("pages")))
        await harness.settle()
        assert conditions_of(harness.get(contract("pages")))["TopicReady"] == ("True", "OK")


async def test_of_two_that_claim_a_namespace_at_one_time_one_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """X80: from one Git repository both have it at the same moment, and neither has signed anything yet."""
    faster = Topic("risk.streamwarden.policies", 1, 1, {"cleanup.policy": "compact"}, topic_id="theirs")
    harness = Harness()
    apply = harness.topics.apply

    async def a_moment_later(name: str, plan: TopicPlan) -> bool:
        if name == faster.name and name not in harness.topics.topics:
            harness.topics.topics[name] = faster
        return await apply(name, plan)

    monkeypatch.setattr(harness.topics, "apply", a_moment_later)
    await started(harness, contract("pages"))
    for _ in range(2):  # also the next start knows it
        assert conditions_of(harness.get(contract("pages")))["TopicReady"] == ("False", "NamespaceTaken")
        assert "namespace/risk" not in inventory_of(harness)
        assert "risk.pages" not in harness.topics.topics
        await harness.controller.stop()
        harness.controller = harness.new_controller()
        await started(harness)
    await harness.controller.stop()


async def test_a_record_that_is_not_understood_protects_what_it_names() -> None:
    def newer(harness: Harness) -> None:
        harness.users.passwords["risk.ghost.gate"] = "x"
        later = user_of("ghost", "gate").model_copy(update={"format": 2})
        harness.remember(later)

    async with running(*whole_namespace(), prepare=newer) as harness:
        assert "risk.ghost.gate" in harness.users.passwords
        assert "user/risk.ghost.gate" in inventory_of(harness)


async def test_users_of_a_deleted_agent_are_out_of_the_inventory() -> None:
    async with running(*whole_namespace()) as harness:
        found = harness.get(GUARD)
        deleted = {"deletion_timestamp": "2026-01-01T00:00:00Z"}
        harness.put(found.model_copy(update={"metadata": found.metadata.model_copy(update=deleted)}))
        await until(lambda: not harness.cluster.list(type(GUARD)))
        await harness.settle()
        assert inventory_of(harness) == {"installation", "namespace/risk", *OF_CONTRACTS}
        assert acls_of(frozenset(harness.acls.acls), *USERS) == frozenset()


async def test_a_made_user_whose_password_cannot_be_tried_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(*whole_namespace()) as harness:
        await harness.controller.stop()

        async def unreachable(_user: str, _password: str, _mechanism: str) -> bool:
            raise KafkaUnavailableError("could not log in: no answer")

        monkeypatch.setattr(harness.logins, "check", unreachable)
        harness.controller = harness.new_controller()
        await started(harness)
        harness.controller.changed(key_of(GUARD))
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK")


async def test_what_is_ours_by_the_inventory_is_taken_back_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """F14: a namespace that is deleted in one go takes the right to read Secrets along first."""
    async with running(*whole_namespace()) as harness:

        async def forbidden(_namespace: str, _name: str) -> None:
            raise ForbiddenError("the API server forbids to get secrets")

        monkeypatch.setattr(harness.cluster, "read_secret", forbidden)
        found = harness.get(GUARD)
        deleted = {"deletion_timestamp": "2026-01-01T00:00:00Z"}
        harness.put(found.model_copy(update={"metadata": found.metadata.model_copy(update=deleted)}))
        await until(lambda: not harness.cluster.list(type(GUARD)))
        await until(lambda: not harness.users.passwords)
