"""What is forbidden to the operator, its agents say, and an Event does: nothing that runs is taken away for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.models import Policy, TopicContract
from streamwarden_operator.errors import (
    ForbiddenError,
    KafkaForbiddenError,
    KafkaLoginError,
    KafkaUnavailableError,
    OperatorError,
)
from streamwarden_operator.keys import Key
from streamwarden_operator.reconcilers.inventory import Inventory
from support.operator_harness import conditions_of, running, until, whole_namespace

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from streamwarden_operator.ports import SignedRecord, Topic

GUARD = whole_namespace()[-1]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(
            KafkaForbiddenError("could not list the ACLs"), "KafkaAuthorizationFailed", id="X99-kafka-forbids"
        ),
        pytest.param(KafkaLoginError("could not list the ACLs"), "KafkaAuthenticationFailed", id="X99-not-let-in"),
        pytest.param(ForbiddenError("forbids to get secrets"), "Forbidden", id="F16-a-right-in-kubernetes-is-gone"),
    ],
)
async def test_a_refusal_is_told_once_and_what_runs_goes_on(
    monkeypatch: pytest.MonkeyPatch, error: OperatorError, reason: str
) -> None:
    refused: list[OperatorError] = []

    async def refuse(**_asked: bool) -> None:
        refused.append(error)
        raise error

    async with running(*whole_namespace()) as harness:
        before = dict(harness.cluster.workloads)
        with monkeypatch.context() as patched:
            patched.setattr(harness.acls, "observe", refuse)
            harness.controller.add(Key("AgentDeployment", "risk", "guard"))
            await until(lambda: len(refused) > 2 and harness.cluster.events, 10)
            assert conditions_of(harness.get(GUARD))["AccessReady"] == ("Unknown", reason)
        assert harness.cluster.workloads == before
        assert [event.reason for event in harness.cluster.events] == [reason]
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK")


async def test_x99_a_namespace_that_kafka_gives_no_right_to_says_so_until_somebody_grants_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody in it heard more than that it is being claimed, for ever: only the operator's log had the cause."""
    yard = whole_namespace("yard")
    guard, contract = yard[-1], next(each for each in yard if isinstance(each, TopicContract))
    async with running(*whole_namespace()) as harness:
        observe = harness.topics.observe

        async def forbid(names: Collection[str]) -> Mapping[str, Topic]:
            if "yard.streamwarden.policies" in names:
                raise KafkaForbiddenError("could not look at topic 'yard.streamwarden.policies'")
            return await observe(names)

        monkeypatch.setattr(harness.topics, "observe", forbid)
        harness.put(*yard)
        told = ("False", "KafkaAuthorizationFailed")
        await until(lambda: conditions_of(harness.get(guard)).get("TopicsReady") == told, 30)
        await until(lambda: conditions_of(harness.get(contract)).get("Ready") == told, 30)
        monkeypatch.setattr(harness.topics, "observe", observe)
        await until(lambda: conditions_of(harness.get(guard)).get("AccessReady") == ("True", "OK"), 30)
        assert conditions_of(harness.get(contract))["Ready"] == ("True", "OK")


async def test_x99_where_the_inventory_cannot_be_opened_all_in_a_namespace_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    yard = whole_namespace("yard")
    guard, contract = yard[-1], next(each for each in yard if isinstance(each, TopicContract))
    async with running(*whole_namespace()) as harness:

        async def forbid(_: Inventory) -> None:
            raise KafkaForbiddenError("could not create topic 'streamwarden.inventory'")

        with monkeypatch.context() as patched:
            patched.setattr(Inventory, "open", forbid)
            harness.put(*yard)
            told = ("False", "KafkaAuthorizationFailed")
            await until(lambda: conditions_of(harness.get(guard)).get("TopicsReady") == told, 30)
            await until(lambda: conditions_of(harness.get(contract)).get("Ready") == told, 30)
        await until(lambda: conditions_of(harness.get(guard)).get("AccessReady") == ("True", "OK"), 30)
        said = [event.reason for event in harness.cluster.events if event.key == Key("Namespace", "yard")]
        assert said == ["KafkaAuthorizationFailed"]  # once, however often it is tried


async def test_x99_a_policy_says_why_its_log_cannot_be_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    yard = whole_namespace("yard")
    strict = next(each for each in yard if isinstance(each, Policy))
    async with running(*whole_namespace()) as harness:
        publish, causes = harness.log.publish, list[OperatorError]()
        causes.append(KafkaForbiddenError("could not publish on 'yard.streamwarden.policies'"))

        async def forbid(topic: str, records: Sequence[SignedRecord]) -> None:
            if topic == "yard.streamwarden.policies":
                raise causes[-1]
            await publish(topic, records)

        monkeypatch.setattr(harness.log, "publish", forbid)
        harness.put(*yard)
        told = ("False", "KafkaAuthorizationFailed")
        await until(lambda: conditions_of(harness.get(strict)).get("Published") == told, 30)
        assert conditions_of(harness.get(strict))["Ready"] == told
        accepted = conditions_of(harness.get(strict))["Accepted"]
        causes.append(KafkaUnavailableError("no broker answers"))  # granted, and then something else
        await until(lambda: conditions_of(harness.get(strict)).get("Published") == ("False", "NotPublished"), 30)
        assert conditions_of(harness.get(strict))["Accepted"] == accepted
        monkeypatch.setattr(harness.log, "publish", publish)
        await until(lambda: conditions_of(harness.get(strict)).get("Published") == ("True", "OK"), 30)
