from __future__ import annotations

from typing import Any

from streamwarden_contract.names import AgentNames, InstallationNames, NamespaceNames
from streamwarden_operator.desired.schemas import DesiredSchema, build_schema
from streamwarden_operator.desired.topics import (
    build_contract_topic,
    build_decision_topic,
    build_guardrail_topic,
    build_shared_topics,
)
from streamwarden_operator.ports import Topic
from support.manifests import contract

INSTALLATION = InstallationNames()


def test_a_contract_becomes_a_topic_with_its_configuration_as_text() -> None:
    spec: dict[str, Any] = {
        "partitions": 12,
        "replicas": 3,
        "config": {"retention.ms": 604800000, "cleanup.policy": "delete"},
    }
    assert build_contract_topic(contract(**spec)) == Topic(
        "risk.urls",
        partitions=12,
        replication_factor=3,
        config={"retention.ms": "604800000", "cleanup.policy": "delete"},
    )


def test_what_a_contract_leaves_out_is_the_brokers_to_say() -> None:
    assert build_contract_topic(contract()) == Topic("risk.urls", partitions=1)


def test_the_broker_says_when_a_decision_was_written() -> None:
    assert build_decision_topic(AgentNames("risk", "guard"), partitions=4) == Topic(
        "risk.guard.decisions",
        partitions=4,
        config={
            "cleanup.policy": "delete",
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": "1048576",
            "retention.bytes": "1073741824",
        },
    )


def test_the_shared_topics_of_a_namespace() -> None:
    assert build_shared_topics(NamespaceNames("risk")) == (
        Topic(
            "risk.streamwarden.audit",
            partitions=6,
            config={
                "cleanup.policy": "delete",
                "message.timestamp.type": "LogAppendTime",
                "retention.ms": "15811200000",
            },
        ),
        Topic("risk.streamwarden.dlq", 1, config={"cleanup.policy": "delete", "max.message.bytes": "2097152"}),
        Topic("risk.streamwarden.policies", 1, config={"cleanup.policy": "compact"}),
        Topic("risk.streamwarden.gates", 1, config={"cleanup.policy": "compact"}),
    )


def test_the_guardrail_topic_is_one_compacted_partition() -> None:
    assert build_guardrail_topic(INSTALLATION) == Topic(
        "streamwarden.policies", 1, config={"cleanup.policy": "compact"}
    )


def test_a_schema_is_registered_under_the_topics_value_subject() -> None:
    schema = {"schema": '{"type": "object"}', "compatibilityLevel": "FULL"}
    assert build_schema(contract(schema=schema)) == DesiredSchema("risk.urls-value", '{"type": "object"}', "FULL")


def test_a_contract_without_a_schema_has_no_subject() -> None:
    assert build_schema(contract()) is None
