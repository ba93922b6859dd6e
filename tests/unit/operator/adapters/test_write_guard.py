"""Every write asks first whether this process leads (X82): nothing is sent where it does not."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from kubernetes.aio.client import Configuration
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.connection import Connection
from streamwarden_operator.adapters.kafka.acls import KafkaAcls
from streamwarden_operator.adapters.kafka.gate_acks import KafkaGateAcks
from streamwarden_operator.adapters.kafka.logins import KafkaLogins
from streamwarden_operator.adapters.kafka.offsets import KafkaOffsets
from streamwarden_operator.adapters.kafka.policy_log import KafkaPolicyLog
from streamwarden_operator.adapters.kafka.quotas import KafkaClientQuotas
from streamwarden_operator.adapters.kafka.scram import KafkaScramUsers
from streamwarden_operator.adapters.kafka.topics import KafkaTopics
from streamwarden_operator.adapters.kubernetes.client import KubernetesClient
from streamwarden_operator.adapters.kubernetes.errors import Request
from streamwarden_operator.adapters.kubernetes.resource_types import CONFIG_MAP
from streamwarden_operator.adapters.schema_registry import ConfluentRegistry
from streamwarden_operator.errors import LeadershipLostError
from streamwarden_operator.ports import Acl, AclPlan, QuotaPlan, SignedRecord, Topic, TopicPlan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ADAPTERS = Path(__file__).parents[4] / "operator/src/streamwarden_operator/adapters"
NOWHERE = Connection("127.0.0.1:1")
PATIENCE_S = 1.0
ACL = Acl("User:risk.guard.gate", "TOPIC", "risk.commands", "WRITE")
MANIFEST = {"metadata": {"name": "a", "namespace": "risk"}}
ADMIN_WRITES = frozenset(
    {
        "alter_client_quotas",
        "alter_configs",
        "alter_consumer_group_offsets",
        "alter_user_scram_credentials",
        "create_acls",
        "create_partitions",
        "create_topics",
        "delete_acls",
        "delete_consumer_groups",
        "delete_records",
        "delete_topics",
        "elect_leaders",
        "incremental_alter_configs",
    }
)
"""Every request of the admin client that changes something."""


def refuse() -> None:
    raise LeadershipLostError("another one leads")


def admin() -> KafkaAdmin:
    return KafkaAdmin(NOWHERE, timeout_s=PATIENCE_S, spread_s=PATIENCE_S, guard=refuse)


def nothing_is_sent(_: httpx.Request) -> httpx.Response:
    pytest.fail("sent all the same")


def registry() -> ConfluentRegistry:
    return ConfluentRegistry("http://registry", transport=httpx.MockTransport(nothing_is_sent), guard=refuse)


def client() -> KubernetesClient:
    return KubernetesClient(Configuration(host="https://127.0.0.1:1"), timeout_s=PATIENCE_S, guard=refuse)


def log() -> KafkaPolicyLog:
    return KafkaPolicyLog(NOWHERE, transactional_id="t", timeout_s=PATIENCE_S, guard=refuse)


WRITES: dict[str, Callable[[], Awaitable[object]]] = {
    "a-topic": lambda: KafkaTopics(admin()).apply("t", TopicPlan(create=Topic("t", 1))),
    "more-partitions": lambda: KafkaTopics(admin()).apply("t", TopicPlan(grow_to=2)),
    "a-configuration": lambda: KafkaTopics(admin()).apply("t", TopicPlan(set_config={"retention.ms": "1"})),
    "no-topic": lambda: KafkaTopics(admin()).delete("t"),
    "an-acl": lambda: KafkaAcls(admin()).apply(AclPlan(add=frozenset({ACL}))),
    "no-acl": lambda: KafkaAcls(admin()).apply(AclPlan(remove=frozenset({ACL}))),
    "a-user": lambda: KafkaScramUsers(admin()).upsert("u", "p"),
    "no-user": lambda: KafkaScramUsers(admin()).delete("u"),
    "a-delegation-token": lambda: KafkaLogins(NOWHERE, "127.0.0.1:1", timeout_s=PATIENCE_S, guard=refuse).end_tokens(
        "u", "p"
    ),
    "a-quota": lambda: KafkaClientQuotas(admin()).apply("u", QuotaPlan(set={"producer_byte_rate": 1.0})),
    "first-offsets": lambda: KafkaOffsets(admin()).commit("g", "t", {0: (0, "")}),
    "a-group-that-is-kept": lambda: KafkaOffsets(admin()).keep("g", ["t"]),
    "a-fenced-publisher": lambda: log().read("t"),
    "policies": lambda: log().publish("t", [SignedRecord(b"k", b"v")]),
    "a-gate-that-is-forgotten": lambda: KafkaGateAcks(NOWHERE, group="g", timeout_s=PATIENCE_S, guard=refuse).forget(
        "risk", "guard", ["pod"]
    ),
    "a-schema": lambda: registry().register("s", "{}"),
    "a-level": lambda: registry().set_compatibility("s", "FULL"),
    "no-subject": lambda: registry().delete("s"),
    "an-apply": lambda: client().apply(CONFIG_MAP, MANIFEST),
    "an-object": lambda: client().create(CONFIG_MAP, MANIFEST),
    "a-whole-object": lambda: client().replace(CONFIG_MAP, MANIFEST),
    "a-patch": lambda: client().patch(
        Request("patch", CONFIG_MAP, "risk", "a"), {}, content_type="application/json", manager="m"
    ),
    "no-object": lambda: client().delete(Request("delete", CONFIG_MAP, "risk", "a"), uid="u"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_who_does_not_lead_writes_nothing(write: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(LeadershipLostError, match="another one leads"):
        await write()


def test_every_request_of_the_admin_client_that_changes_something_goes_through_the_guard() -> None:
    around = [
        f"{file.relative_to(ADAPTERS)}:{call.lineno} {call.func.attr}"
        for file in sorted(ADAPTERS.rglob("*.py"))
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in ADMIN_WRITES
        if not (isinstance(call.func.value, ast.Attribute) and call.func.value.attr in {"writer", "topic_writer"})
    ]
    assert around == []


def test_a_read_needs_no_leave() -> None:
    assert KafkaAdmin(NOWHERE, guard=refuse).client is not None
