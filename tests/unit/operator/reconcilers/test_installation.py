"""An installation of another name: what exists once begins with it, what lies below a namespace does not."""

from __future__ import annotations

import json

from streamwarden_kafka.connection import Connection
from streamwarden_operator.adapters.kafka.gate_acks import KafkaGateAcks
from streamwarden_operator.adapters.kafka.policy_log import KafkaPolicyLog
from streamwarden_operator.backends import connect
from streamwarden_operator.keys import key_of
from streamwarden_operator.ports import Acl
from support.operator_harness import SETTINGS, conditions_of, contract, running, whole_namespace

OTHER = SETTINGS.model_copy(update={"installation": "other"})
OUTSIDE = {"producers": ["User:web"]}


async def test_a_whole_loop_stands_in_an_installation_of_another_name() -> None:
    async with running(*whole_namespace(), contract("clicks", access=OUTSIDE), settings=OTHER) as harness:
        assert conditions_of(harness.get(whole_namespace()[-1]))["AccessReady"] == ("True", "OK")
        made = set(harness.topics.topics)
        assert "other.policies" in made
        assert {name for name in made if name.startswith("streamwarden.")} == set()
        assert {name for name in made if ".streamwarden." in name} == {
            f"risk.streamwarden.{what}" for what in ("audit", "dlq", "gates", "policies")
        }
        assert set(harness.log.topics["other.policies"]) == {b"epoch"}
        assert Acl("User:risk.guard.gate", "TOPIC", "other.policies", "READ") in harness.acls.acls
        assert Acl("User:web", "TRANSACTIONAL_ID", "other.ext.web.", "WRITE", "PREFIXED") in harness.acls.acls
        assert not any(acl.resource_name.startswith("streamwarden.") for acl in harness.acls.acls)


async def test_gates_are_told_their_installation() -> None:
    async with running(*whole_namespace(), settings=OTHER) as harness:
        (workload,) = harness.cluster.workloads.values()
        assert json.loads(workload.gate_config)["installation"] == "other"


async def test_only_the_installation_s_own_operator_is_trusted_with_what_gates_govern() -> None:
    ours, strange = (Acl(f"User:{name}.operator", "TOPIC", "*", "ALL") for name in ("other", "streamwarden"))
    async with running(*whole_namespace(), settings=OTHER) as harness:
        agent = whole_namespace()[-1]
        harness.acls.acls.add(ours)
        harness.controller.changed(key_of(agent))
        await harness.settle()
        assert conditions_of(harness.get(agent))["AccessReady"] == ("True", "OK")
        harness.acls.acls.add(strange)
        harness.controller.changed(key_of(agent))
        await harness.settle()
        assert conditions_of(harness.get(agent))["AccessReady"] == ("False", "BypassPossible")


async def test_the_namespace_of_the_installation_s_name_takes_no_contracts() -> None:
    async with running(contract("urls", "other"), settings=OTHER) as harness:
        assert conditions_of(harness.get(contract("urls", "other")))["Accepted"] == ("False", "NameNotAllowed")
        assert "other.urls" not in harness.topics.topics


async def test_publisher_and_readers_are_named_after_the_installation() -> None:
    made = connect(Connection("127.0.0.1:9"), None, OTHER)
    assert isinstance(made.log, KafkaPolicyLog)
    assert isinstance(made.acks, KafkaGateAcks)
    assert (made.log._transactional_id, made.acks._group) == ("other.operator.policy-log", "other.operator.gate-acks")
    for close in made.closing:
        await close()
