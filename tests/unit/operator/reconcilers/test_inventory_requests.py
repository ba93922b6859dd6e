"""Adoptions and releases over the whole controller: who may order them, and what each refusal says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.inventory import NamespaceItem, Stage, SubjectItem, TopicItem
from streamwarden_contract.inventory_requests import LONGEST_AGE, Action, InventoryAnswer, Outcome
from streamwarden_operator.desired.credentials import Credential, build_secret
from streamwarden_operator.keys import Key
from streamwarden_operator.ports import Acl, SignedRecord, Topic
from support.inventory_requests import ORDERS, FakeInventoryRequests, ordered, request_of
from support.operator_harness import (
    SETTINGS,
    Harness,
    agent,
    conditions_of,
    contract,
    policy,
    running,
    until,
    user_of,
    whole_namespace,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NARROW = SETTINGS.model_copy(update={"watch_namespaces": ("risk",)})
GHOST = "user/risk.ghost.gate"
GRANT = Acl("User:risk.ghost.gate", "TOPIC", "risk.pages", "READ")
TOPIC = TopicItem(topic="risk.old", namespace="risk", contract="old", owner_uid="u", topic_id="t", stage=Stage.MADE)
SUBJECT = SubjectItem(subject="risk.old-value", namespace="risk", contract="old", owner_uid="u", stage=Stage.MADE)


def orders(harness: Harness) -> FakeInventoryRequests:
    assert isinstance(harness.requests, FakeInventoryRequests)
    return harness.requests


def with_orders(more: Callable[[Harness], None] = lambda _: None) -> Callable[[Harness], None]:
    def prepare(harness: Harness) -> None:
        harness.requests = FakeInventoryRequests()
        more(harness)

    return prepare


def forgotten(harness: Harness) -> None:
    """A gate's user that an inventory has lost, with a right and a quota, and one of somebody else."""
    harness.users.passwords |= {"risk.ghost.gate": "x", "alice": "y"}
    harness.acls.acls |= {GRANT, Acl("User:alice", "TOPIC", "risk.commands", "READ")}
    harness.quotas.quotas["risk.ghost.gate"] = {"producer_byte_rate": 1000.0}


def said(answer: InventoryAnswer) -> list[tuple[str, str]]:
    return [(item.outcome.value, item.message) for item in answer.items]


def inventory_of(harness: Harness) -> set[str]:
    return {key.decode() for key in harness.log.topics["streamwarden.inventory"]}


async def test_what_a_lost_inventory_forgot_is_adopted_and_goes_where_nobody_wants_it() -> None:
    async with running(*whole_namespace(), prepare=with_orders(forgotten)) as harness:
        assert GRANT in harness.acls.acls
        request = request_of(Action.ADOPT, GHOST)
        answer = await ordered(harness, request)
        gone = "this installation's; no AgentDeployment wants it: it is deleted now, with its ACLs and quotas"
        assert (answer.id, said(answer)) == (request.id, [("Done", gone)])
        await until(lambda: GHOST not in inventory_of(harness))
        assert set(harness.users.passwords) == {"alice", "risk.guard.agent", "risk.guard.gate"}
        assert {acl for acl in harness.acls.acls if acl.principal == GRANT.principal} == set()
        told = [event for event in harness.cluster.events if event.reason == "InventoryAdopted"]
        assert [(event.key.namespace, event.message) for event in told] == [
            ("streamwarden", f"{GHOST} (request {request.id})")
        ]


async def test_a_user_that_a_living_agent_wants_is_given_the_password_of_its_secret() -> None:
    def taken(harness: Harness) -> None:
        harness.users.passwords["risk.guard.gate"] = "of a Secret that is lost"

    async with running(*whole_namespace(), prepare=with_orders(taken)) as harness:
        assert conditions_of(harness.get(agent()))["AccessReady"] == ("False", "ResourceConflict")
        answer = await ordered(harness, request_of(Action.ADOPT, "user/risk.guard.gate"))
        given = "this installation's; the AgentDeployment risk/guard wants it: it is given the password of its Secret"
        assert said(answer) == [("Done", given)]
        await until(lambda: conditions_of(harness.get(agent()))["AccessReady"] == ("True", "OK"))
        assert harness.users.passwords["risk.guard.gate"] != "of a Secret that is lost"


async def test_a_dry_run_says_the_same_and_changes_nothing() -> None:
    async with running(*whole_namespace(), prepare=with_orders(forgotten)) as harness:
        before, events = len(harness.effects), len(harness.cluster.events)
        dry = await ordered(harness, request_of(Action.ADOPT, GHOST, dry_run=True))
        assert (len(harness.effects), len(harness.cluster.events)) == (before, events)
        assert GHOST not in inventory_of(harness)
        assert dry.items == (await ordered(harness, request_of(Action.ADOPT, GHOST))).items


async def test_an_answered_order_is_done_once_and_ordered_again_changes_nothing() -> None:
    async with running(*whole_namespace(), prepare=with_orders(forgotten)) as harness:
        await ordered(harness, request_of(Action.ADOPT, GHOST))
        await until(lambda: GHOST not in inventory_of(harness))
        harness.users.passwords["risk.ghost.gate"] = "somebody's, made since"
        harness.controller.add(ORDERS)
        await harness.settle()
        assert orders(harness).answers == 1
        assert harness.users.passwords["risk.ghost.gate"] == "somebody's, made since"
        answer = await ordered(harness, request_of(Action.ADOPT, "user/risk.guard.gate", "namespace/risk"))
        assert said(answer) == [("Unchanged", "it is this installation's already")] * 2


async def test_a_namespace_comes_before_what_lies_in_it_whatever_is_named_first() -> None:
    first = Harness()
    first.put(policy("strict"))
    await first.controller.start()
    await first.settle()
    await first.controller.stop()

    def lost(harness: Harness) -> None:
        harness.topics, harness.log, harness.keys = first.topics, first.log, first.keys
        harness.topics.topics.pop("streamwarden.inventory")
        harness.log.topics.pop("streamwarden.inventory")
        forgotten(harness)

    async with running(prepare=with_orders(lost)) as harness:
        refused = await ordered(harness, request_of(Action.ADOPT, GHOST))
        assert said(refused) == [("Refused", "the namespace 'risk' is not this installation's: adopt that first")]
        answer = await ordered(harness, request_of(Action.ADOPT, GHOST, "namespace/risk"))
        assert [(item.item, item.outcome) for item in answer.items] == [
            ("namespace/risk", Outcome.DONE),
            (GHOST, Outcome.DONE),
        ]
        await until(lambda: set(harness.users.passwords) == {"alice"})


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ("user/risk.nobody.gate", "Kafka has no SCRAM user of this name"),
        ("user/alice", "no user of an agent or a gate: these are NAMESPACE.AGENT.agent and NAMESPACE.AGENT.gate"),
        ("user/streamwarden.operator", "no user of an agent or a gate"),
        ("user/risk.trusted.gate", "it is the operator's own, or trusted"),
        ("user/billing.invoice.gate", "this operator does not watch the namespace 'billing'"),
        ("namespace/billing", "this operator does not watch the namespace"),
        ("namespace/streamwarden", "it is the operator's own"),
        ("installation", "it is the operator's own"),
        ("topic/risk.pages", "a TopicContract takes it over, as it is: apply one that names it"),
        ("subject/risk.pages-value", "a TopicContract takes it over, as it is: apply one that names it"),
        ("quota/risk", "nothing that can be adopted: say namespace/NAME or user/NAME"),
    ],
    ids=[
        "not-in-kafka",
        "no-agents-name",
        "the-operators-user",
        "a-trusted-user",
        "not-watched",
        "a-namespace-that-is-not-watched",
        "the-operators-namespace",
        "the-installation",
        "a-topic",
        "a-subject",
        "an-unknown-kind",
    ],
)
async def test_what_cannot_be_adopted_says_why_and_nothing_changes(item: str, why: str) -> None:
    trusting = NARROW.model_copy(update={"trusted_principals": ("User:risk.trusted.gate",)})

    def users(harness: Harness) -> None:
        harness.users.passwords |= {"alice": "", "risk.trusted.gate": "", "billing.invoice.gate": ""}

    async with running(*whole_namespace(), settings=trusting, prepare=with_orders(users)) as harness:
        before = len(harness.effects)
        request = request_of(Action.ADOPT, "user/x").model_copy(update={"items": (item,)})
        ((outcome, message),) = said(await ordered(harness, request))
        assert (outcome, message[: len(why)], len(harness.effects)) == ("Refused", why, before)


async def test_what_another_installation_has_is_refused_by_its_signature() -> None:
    first = Harness(SETTINGS.model_copy(update={"installation": "first"}))
    first.put(*whole_namespace())
    await first.controller.start()
    await first.settle()
    await first.controller.stop()

    def shared(harness: Harness) -> None:
        for name in ("topics", "acls", "users", "logins", "offsets", "quotas", "log"):
            setattr(harness, name, getattr(first, name))

    async with running(prepare=with_orders(shared)) as harness:
        before = len(first.effects)
        answer = await ordered(harness, request_of(Action.ADOPT, "namespace/risk", "user/risk.guard.gate"))
        taken = f"the topic 'risk.streamwarden.policies' is signed by {first.keys.key_id}: another installation has it"
        assert said(answer) == [
            ("Refused", f"{taken} (NamespaceTaken)"),
            ("Refused", "the namespace 'risk' is not this installation's: adopt that first"),
        ]
        assert len(first.effects) == before


async def test_a_namespace_that_was_only_about_to_be_claimed_is_nobodys_whose_users_could_be_adopted() -> None:
    def meant(harness: Harness) -> None:
        harness.remember(NamespaceItem(namespace="risk", stage=Stage.INTENT))
        forgotten(harness)

    async with running(prepare=with_orders(meant)) as harness:
        answer = await ordered(harness, request_of(Action.ADOPT, GHOST))
        assert said(answer) == [("Refused", "the namespace 'risk' is not this installation's: adopt that first")]
        assert set(harness.users.passwords) == {"risk.ghost.gate", "alice"}


async def test_a_policy_topic_that_nobody_signed_is_no_proof() -> None:
    def by_hand(harness: Harness) -> None:
        harness.topics.topics["risk.streamwarden.policies"] = Topic("risk.streamwarden.policies", 1, 1)
        harness.log.topics["risk.streamwarden.policies"] = {b"epoch": SignedRecord(b"epoch", b"{}")}

    async with running(prepare=with_orders(by_hand)) as harness:
        answer = await ordered(harness, request_of(Action.ADOPT, "namespace/risk", "namespace/void"))
        unsigned = "nothing on the topic 'risk.streamwarden.policies' is signed by this installation (NamespaceTaken)"
        absent = (
            "Kafka has no topic 'void.streamwarden.policies': nobody has the namespace, and nothing is to be adopted"
        )
        assert said(answer) == [("Refused", unsigned), ("Refused", absent)]


async def test_a_released_record_of_a_contract_that_is_gone_leaves_topic_and_subject() -> None:
    async with running(*whole_namespace(), prepare=with_orders(lambda it: it.remember(TOPIC, SUBJECT))) as harness:
        harness.topics.topics["risk.old"] = Topic("risk.old", 1, 1)
        answer = await ordered(harness, request_of(Action.RELEASE, TOPIC.key, SUBJECT.key))
        assert said(answer) == [
            ("Done", "it stays in the schema registry as it is, and is nobody's"),
            ("Done", "it stays in Kafka as it is, and is nobody's"),
        ]
        assert {TOPIC.key, SUBJECT.key}.isdisjoint(inventory_of(harness))
        assert "risk.old" in harness.topics.topics
        again = await ordered(harness, request_of(Action.RELEASE, TOPIC.key))
        assert said(again) == [("Unchanged", "the inventory does not have it")]


async def test_what_a_living_resource_uses_is_not_released() -> None:
    async with running(*whole_namespace(), prepare=with_orders()) as harness:
        before = inventory_of(harness)
        answer = await ordered(
            harness,
            request_of(
                Action.RELEASE,
                "user/risk.guard.gate",
                "topic/risk.pages",
                "subject/risk.commands-value",
                "namespace/risk",
            ),
        )
        assert said(answer) == [
            ("Refused", "the TopicContract risk/commands uses it: take that away first"),
            ("Refused", "the TopicContract risk/pages uses it: take that away first"),
            ("Refused", "the AgentDeployment risk/guard uses it: take that away first"),
            ("Refused", "the AgentDeployment risk/guard lies in it: take that away first"),
        ]
        assert inventory_of(harness) == before


async def test_what_cannot_be_read_lives_too() -> None:
    async with running(*whole_namespace(), prepare=with_orders()) as harness:
        harness.cluster.make_unreadable(harness.get(agent()))
        answer = await ordered(harness, request_of(Action.RELEASE, "user/risk.guard.gate"))
        assert said(answer) == [("Refused", "the AgentDeployment risk/guard uses it: take that away first")]


async def test_a_namespace_is_released_after_what_lies_in_it_and_claimed_anew() -> None:
    def earlier(harness: Harness) -> None:
        harness.remember(NamespaceItem(namespace="risk", stage=Stage.MADE), TOPIC)

    async with running(prepare=with_orders(earlier)) as harness:
        alone = await ordered(harness, request_of(Action.RELEASE, "namespace/risk"))
        inside = "the inventory has topic/risk.old, which lies in it: take that away first"
        assert said(alone) == [("Refused", inside)]
        both = await ordered(harness, request_of(Action.RELEASE, "namespace/risk", TOPIC.key))
        assert [item.outcome for item in both.items] == [Outcome.DONE, Outcome.DONE]
        assert inventory_of(harness) == {"installation"}
        harness.put(contract("pages"))
        await until(lambda: conditions_of(harness.get(contract("pages"))).get("TopicReady") == ("True", "OK"))
        assert {"namespace/risk", "topic/risk.pages"} <= inventory_of(harness)


async def test_a_namespace_is_this_process_s_no_more_after_its_release_and_is_adopted_on_purpose() -> None:
    """Nobody has signed anything on its policy topic, as there were contracts alone: only people know whose it is."""
    async with running(contract("pages"), prepare=with_orders()) as harness:
        harness.cluster.remove(harness.get(contract("pages")))
        harness.controller.changed(Key("TopicContract", "risk", "pages"))
        await harness.settle()
        items = ("namespace/risk", "topic/risk.pages")
        answer = await ordered(harness, request_of(Action.RELEASE, *items))
        assert [item.outcome for item in answer.items] == [Outcome.DONE, Outcome.DONE]
        harness.put(contract("pages"))
        await until(
            lambda: conditions_of(harness.get(contract("pages"))).get("TopicReady") == ("False", "NamespaceTaken")
        )
        pages = {part.type: part for part in harness.get(contract("pages")).status.conditions}["TopicReady"]
        assert pages.message.endswith("lost, say so: streamwarden inventory adopt namespace/risk")
        answer = await ordered(harness, request_of(Action.ADOPT, "namespace/risk"))
        assert said(answer) == [("Done", "this installation's; what lies in it can be adopted now")]
        await until(lambda: conditions_of(harness.get(contract("pages")))["TopicReady"] == ("True", "Adopted"))
        assert {"namespace/risk", "topic/risk.pages"} <= inventory_of(harness)


async def test_what_nobody_watches_is_released_only_by_who_says_that_he_knows() -> None:
    def earlier(harness: Harness) -> None:
        harness.users.passwords["billing.invoice.gate"] = "x"
        harness.remember(user_of("invoice", "gate", "billing"))

    async with running(settings=NARROW, prepare=with_orders(earlier)) as harness:
        item = "user/billing.invoice.gate"
        ((outcome, message),) = said(await ordered(harness, request_of(Action.RELEASE, item)))
        assert (outcome, "does not watch the namespace 'billing', and cannot tell who uses it" in message) == (
            "Refused",
            True,
        )
        answer = await ordered(harness, request_of(Action.RELEASE, item, unwatched=True))
        assert said(answer) == [("Done", "it stays in Kafka as it is, and is nobody's")]
        assert (item in inventory_of(harness), "billing.invoice.gate" in harness.users.passwords) == (False, True)


async def test_nothing_is_done_before_all_resources_are_known() -> None:
    harness = Harness()
    with_orders(lambda it: it.remember(TOPIC))(harness)
    harness.controller = harness.new_controller()
    orders(harness).put(request_of(Action.RELEASE, TOPIC.key).model_dump_json())
    await harness.controller.start()
    await harness.settle()
    assert (orders(harness).answers, TOPIC.key in inventory_of(harness)) == (0, True)
    harness.controller.caches_complete()
    harness.controller.add(ORDERS)
    await until(lambda: orders(harness).answers)
    assert TOPIC.key not in inventory_of(harness)
    await harness.controller.stop()


async def test_orders_of_another_installation_or_another_day_are_refused() -> None:
    async with running(prepare=with_orders(lambda it: it.remember(TOPIC))) as harness:
        other = await ordered(harness, request_of(Action.RELEASE, TOPIC.key, installation="acme"))
        assert other.refused == "this is the installation 'streamwarden', and not 'acme'"
        for age in (LONGEST_AGE, -LONGEST_AGE):
            then = datetime.now(UTC) - age - timedelta(minutes=1) * (1 if age > timedelta() else -1)
            old = await ordered(harness, request_of(Action.RELEASE, TOPIC.key, now=then))
            assert old.refused == "it was ordered more than 15 minutes from now: order it again"
        assert TOPIC.key in inventory_of(harness)


async def test_what_is_no_order_is_told_once() -> None:
    async with running(prepare=with_orders()) as harness:
        orders(harness).put('{"format": 2}')
        for _ in range(3):
            harness.controller.add(ORDERS)
            await harness.settle()
        assert orders(harness).answers == 1
        assert '"refused":"the request cannot be read: format: Input should be 1"' in orders(harness).text


async def test_an_operator_that_may_not_read_orders_works_on() -> None:
    def forbidden(harness: Harness) -> None:
        orders(harness).forbidden = True

    async with running(*whole_namespace(), prepare=with_orders(forbidden)) as harness:
        harness.controller.add(ORDERS)
        await harness.settle()
        assert harness.controller.failing == frozenset()
        assert conditions_of(harness.get(agent()))["AccessReady"] == ("True", "OK")


async def test_an_adopted_user_that_has_a_strangers_password_is_given_its_secrets_before_any_right() -> None:
    def taken(harness: Harness) -> None:
        harness.users.passwords["risk.guard.gate"] = "a stranger's"
        secret = build_secret("risk.guard.gate", Credential("its own"), "b:1")
        harness.cluster.secrets["risk", "guard-gate-credentials"] = dict(secret)

    async with running(*whole_namespace(), prepare=with_orders(taken)) as harness:
        assert conditions_of(harness.get(agent()))["AccessReady"] == ("False", "ResourceConflict")
        await ordered(harness, request_of(Action.ADOPT, "user/risk.guard.gate"))
        assert conditions_of(harness.get(agent()))["AccessReady"] == ("True", "OK")
        assert harness.users.passwords["risk.guard.gate"] == "its own"
        kafka = [effect[0] for effect in harness.effects if effect[0] in {"users", "acls"}]
        assert kafka.index("users") < kafka.index("acls")
