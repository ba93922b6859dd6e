"""ACLs that librdkafka reports as UNKNOWN: said as far as they are known, and taken back by Kafka's own numbers."""

from __future__ import annotations

import pytest
from streamwarden_operator.adapters.kafka.unnamed_acls import is_unnamed, named, numbered
from streamwarden_operator.ports import Acl


@pytest.mark.parametrize(
    ("resource_type", "name", "operation", "said"),
    [
        pytest.param("UNKNOWN", "User:risk.guard.gate", "UNKNOWN", ("USER", "TOKENS"), id="tokens-of-a-user"),
        pytest.param("UNKNOWN", "*", "UNKNOWN", ("USER", "TOKENS"), id="tokens-of-everybody"),
        pytest.param("UNKNOWN", "User:risk.guard.gate", "ALL", ("USER", "ALL"), id="all-with-a-user"),
        pytest.param("UNKNOWN", "Q3f0", "DESCRIBE", ("DELEGATION_TOKEN", "DESCRIBE"), id="a-token"),
        pytest.param("UNKNOWN", "*", "ALL", ("UNKNOWN", "ALL"), id="one-or-the-other"),
        pytest.param("TRANSACTIONAL_ID", "a", "UNKNOWN", ("TRANSACTIONAL_ID", "UNKNOWN"), id="of-a-later-kafka"),
        pytest.param("TOPIC", "User:a", "READ", ("TOPIC", "READ"), id="what-has-a-name"),
    ],
)
def test_what_is_told_of_them(resource_type: str, name: str, operation: str, said: tuple[str, str]) -> None:
    assert named(resource_type, name, operation) == said
    acl = Acl("User:m", said[0], name, said[1])
    assert is_unnamed(acl) is (resource_type == "UNKNOWN" or operation == "UNKNOWN")


@pytest.mark.parametrize(
    ("acl", "codes"),
    [
        pytest.param(Acl("User:m", "USER", "*", "TOKENS"), {(7, 13), (7, 14)}, id="makes-or-sees-tokens"),
        pytest.param(Acl("User:m", "DELEGATION_TOKEN", "a", "DESCRIBE"), {(6, 8)}, id="sees-a-token"),
        pytest.param(Acl("User:m", "UNKNOWN", "*", "ALL"), {(6, 2), (7, 2)}, id="one-or-the-other"),
        pytest.param(
            Acl("User:m", "TRANSACTIONAL_ID", "a", "UNKNOWN"), {(5, 13), (5, 14), (5, 15)}, id="of-a-later-kafka"
        ),
        pytest.param(
            Acl("User:m", "CLUSTER", "kafka-cluster", "UNKNOWN"), {(4, 13), (4, 14), (4, 15)}, id="on-the-cluster"
        ),
    ],
)
def test_they_are_taken_back_by_number(acl: Acl, codes: set[tuple[int, int]]) -> None:
    found = list(numbered(acl))
    assert {(each.resource_type, each.operation) for each in found} == codes
    assert {(each.resource_name, each.pattern_type, each.principal, each.host, each.permission) for each in found} == {
        (acl.resource_name, 3, "User:m", "*", 3)
    }
