"""Data beside rules that stands in a ConfigMap: published with the policy, a new revision whenever it changes."""

from __future__ import annotations

import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.policylog import PolicyRecord, decode_record
from streamwarden_operator.desired.policy_params import read_params
from streamwarden_operator.keys import Key
from streamwarden_operator.reconcilers.policies import params
from support.operator_harness import Harness, conditions_of, policy, running, until, whole_namespace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOPIC = "risk.streamwarden.policies"
LIMITS = Key("ConfigMap", "risk", "limits")
FROM = {"configMapKeyRef": {"name": "limits", "key": "limits.yaml"}}
READS = policy("reads", "decision.confidence >= params.least", paramsFrom=FROM)


MANY = 70
"""Policies; what all of them have in ConfigMaps is read once, however many there are."""


@asynccontextmanager
async def with_limits(text: str | None) -> AsyncIterator[Harness]:
    async with running(*whole_namespace()) as harness:
        say(harness, text)
        harness.put(READS)
        await harness.settle()
        yield harness


def say(harness: Harness, text: str | None) -> None:
    """Let the ConfigMap hold this; None: there is none."""
    harness.cluster.config_maps.pop(("risk", "limits"), None)
    if text is not None:
        harness.cluster.config_maps["risk", "limits"] = {"limits.yaml": text}
    harness.controller.add(LIMITS)


def published(harness: Harness) -> PolicyRecord | None:
    found = harness.log.topics[TOPIC].get(b"policy/reads")
    if found is None or found.value is None:
        return None
    record = decode_record(found.key, found.value)
    assert isinstance(record, PolicyRecord)
    return record


async def test_what_the_config_map_holds_is_published_and_where_it_stood_is_not() -> None:
    async with with_limits("least: 0.5") as harness:
        record = published(harness)
        assert record is not None
        assert (record.spec.params, record.spec.params_from) == ({"least": 0.5}, None)
        found = harness.get(READS)
        assert (found.status.revision, found.status.digest) == (record.revision, record.digest)
        assert conditions_of(found)["Published"] == ("True", "OK")
        assert [ref.revision for ref in harness.binding().policies if ref.name == "reads"] == [record.revision]


async def test_a_change_of_the_config_map_is_a_new_revision() -> None:
    async with with_limits("least: 0.5") as harness:
        before = published(harness)
        say(harness, "least: 0.75")
        await harness.settle()
        after = published(harness)
        assert before is not None
        assert after is not None
        assert (after.spec.params, after.revision > before.revision) == ({"least": 0.75}, True)
        assert harness.get(READS).status.revision == after.revision
        assert harness.get(READS).metadata.generation == READS.metadata.generation


async def test_a_config_map_that_says_the_same_in_other_words_changes_nothing() -> None:
    async with with_limits("least: 0.5") as harness:
        before = dict(harness.log.topics[TOPIC])
        say(harness, '{"least": 0.50}')
        await harness.settle()
        assert harness.log.topics[TOPIC] == before


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        pytest.param(
            None,
            "RefNotFound",
            "spec.paramsFrom.configMapKeyRef.name: there is no ConfigMap 'limits' in the namespace 'risk' with the "
            "label app.kubernetes.io/part-of=streamwarden",
            id="it-is-gone",
        ),
        pytest.param(
            "least: [",
            "InvalidSpec",
            "spec.paramsFrom.configMapKeyRef.key: 'limits.yaml' of the ConfigMap 'limits': 1:9: not JSON or YAML: "
            "expected the node content, but found '<stream end>'",
            id="it-is-broken",
        ),
        pytest.param(
            "lest: 0.5",
            "InvalidExpression",
            "spec.rules[0].require: 1:30: params has no field 'least'; did you mean 'lest'?",
            id="a-name-that-the-rule-reads-is-gone",
        ),
    ],
)
async def test_data_that_cannot_be_used_leaves_the_last_revision_in_force(
    text: str | None, reason: str, message: str
) -> None:
    async with with_limits("least: 0.5") as harness:
        before = published(harness)
        assert before is not None
        say(harness, text)
        await until(lambda: conditions_of(harness.get(READS))["Accepted"] == ("False", reason))
        await harness.settle()
        assert published(harness) == before
        said = {condition.type: condition.message for condition in harness.get(READS).status.conditions}
        assert said["Accepted"] == message
        assert said["Published"] == f"a refused spec is not published; revision {before.revision} stays in force"
        say(harness, "least: 0.6")
        await until(lambda: conditions_of(harness.get(READS))["Accepted"] == ("True", "OK"))


async def test_a_value_of_another_type_is_told_with_the_config_map_that_holds_it() -> None:
    async with with_limits("least: 0.5") as harness:
        calculating = harness.get(READS).model_dump(mode="json", by_alias=True)
        calculating["metadata"]["generation"] = 2
        calculating["spec"]["rules"] = [{"name": "r", "require": "decision.confidence * params.least > 0.1"}]
        harness.put(type(READS).model_validate(calculating))
        await until(lambda: conditions_of(harness.get(READS))["Accepted"] == ("True", "OK"))
        say(harness, "least: 1.0")
        await until(lambda: conditions_of(harness.get(READS))["Accepted"] == ("False", "InvalidExpression"))
        said = {condition.type: condition.message for condition in harness.get(READS).status.conditions}
        assert said["Accepted"] == (
            "spec.rules[0].require: 1:21: a double and an int cannot be multiplied: params.least is a whole number, "
            "however it is written: write double(params.least) (params: 'limits.yaml' of the ConfigMap 'limits')"
        )


async def test_a_config_map_that_comes_later_is_told_and_taken() -> None:
    async with with_limits(None) as harness:
        assert conditions_of(harness.get(READS))["Accepted"] == ("False", "RefNotFound")
        assert [(event.reason, event.warning) for event in harness.cluster.events] == [("RefNotFound", True)]
        assert published(harness) is None
        say(harness, "least: 0.5")
        await until(lambda: conditions_of(harness.get(READS))["Published"] == ("True", "OK"))


async def test_f03_the_data_of_many_policies_is_read_once_and_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[tuple[str, bool]] = []

    def reading(text: str) -> object:
        read.append((text, threading.current_thread() is threading.main_thread()))
        return read_params(text)

    monkeypatch.setattr(params, "read_params", reading)
    texts = [f"least: 0.{number:02}" for number in range(10, 10 + MANY)]
    async with running(*whole_namespace()) as harness:
        sources = [f"limits-{number}" for number in range(MANY)]
        for source, text in zip(sources, texts, strict=True):
            harness.cluster.config_maps["risk", source] = {"limits.yaml": text}
        harness.put(
            *(
                policy(source, paramsFrom={"configMapKeyRef": {"name": source, "key": "limits.yaml"}})
                for source in sources
            )
        )
        await harness.settle()
        assert {text for text, _ in read} == set(texts)
        assert not any(in_the_loop for _, in_the_loop in read)
        read.clear()
        harness.put(policy("watch", "decision.confidence >= 0.99", failureAction="Audit", generation=2))
        harness.controller.add(Key("PolicyLog", "risk"))
        await harness.settle()
        assert read == []
