"""How an agent goes: one whose pods take their time, and one that this version of the operator cannot read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.names import InstallationNames
from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.desired.status import format_time
from streamwarden_operator.errors import (
    ForbiddenError,
    InvalidSpecError,
    KafkaUnavailableError,
    NotReadyError,
    OperatorError,
)
from streamwarden_operator.keys import Key, key_of
from streamwarden_operator.reconcilers.agents.access import AgentAccess
from streamwarden_operator.reconcilers.agents.quotas import AgentQuotas
from streamwarden_operator.reconcilers.agents.removal import FINALIZER, AgentRemoval
from streamwarden_operator.reconcilers.agents.status import AgentStatuses
from streamwarden_operator.reconcilers.agents.users import AgentUsers
from streamwarden_operator.reconcilers.inventory import Inventory
from streamwarden_operator.reconcilers.policies.live_acks import LiveAcks
from streamwarden_operator.reconcilers.policies.log_store import LogStore
from streamwarden_operator.reconcilers.scaling.scaling_store import ScalingStore
from streamwarden_operator.result import Result
from support.acl_fakes import FakeAcls
from support.fakes import FakeCluster, FakeOffsets, FakeTopics
from support.login_fakes import FakeLogins, FakeScramUsers
from support.operator_harness import Harness, agent, conditions_of, policy, running, until, whole_namespace
from support.policy_fakes import FakeGateAcks, FakePolicyLog
from support.quota_fakes import FakeClientQuotas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamwarden_contract.models import AgentDeployment
    from streamwarden_operator.ports import SignedRecord

GUARD = agent()
KEY = Key("AgentDeployment", "risk", "guard")
DELETED_AT = "2026-01-01T00:00:00Z"


def delete_unreadable(harness: Harness, **metadata: object) -> None:
    harness.cluster.make_unreadable(harness.get(GUARD), deletion_timestamp=DELETED_AT, **metadata)
    harness.controller.changed(KEY)


def told(harness: Harness, reason: str) -> list[str]:
    return [event.message for event in harness.cluster.events if (event.key, event.reason) == (KEY, reason)]


async def test_a_deleted_agent_that_cannot_be_read_is_undone_by_its_name() -> None:
    async with running(*whole_namespace()) as harness:
        start = len(harness.effects)
        delete_unreadable(harness)
        await until(lambda: KEY not in harness.cluster.broken)
        await harness.settle()
        assert [effect[:2] for effect in harness.effects[start:] if effect[1] != "status"] == [
            ("cluster", "delete workload"),
            ("acls", "apply"),
            ("users", "delete"),
            ("users", "delete"),
            ("cluster", "delete secret"),
            ("cluster", "delete secret"),
            ("log", "publish"),
            ("log", "publish"),
            ("cluster", "finalizer"),
        ]
        assert (harness.acls.acls, harness.users.passwords, harness.cluster.secrets) == (set(), {}, {})
        assert b"binding/guard" not in harness.log.topics["risk.streamwarden.policies"]
        (message,) = told(harness, "NotReadable")
        assert message == (
            "deleted without being understood by this version of the operator: pods, credentials, access and binding "
            "were taken away by its name; what another version made for it besides is still there"
        )


async def test_f16_a_finalizer_that_may_not_be_taken_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    forbidden = "the API server forbids to patch agentdeployments.streamwarden.io 'guard' in namespace 'risk'"

    async def refuse(*_: object, **_present: bool) -> None:
        raise ForbiddenError(forbidden)

    async with running(*whole_namespace()) as harness:
        monkeypatch.setattr(harness.cluster, "set_finalizer", refuse)
        known = harness.get(GUARD)
        metadata = known.metadata.model_copy(update={"deletion_timestamp": DELETED_AT})
        harness.cluster.put(known.model_copy(update={"metadata": metadata}))
        harness.controller.changed(KEY)
        await until(lambda: told(harness, "DeletionBlocked"))
        assert told(harness, "DeletionBlocked") == [f"the finalizer cannot be taken away: {forbidden}"]
        assert conditions_of(harness.get(GUARD))["Ready"] == ("False", "DeletionBlocked")
        assert harness.acls.acls == set()


async def test_what_was_read_of_it_before_does_not_keep_it() -> None:
    async with running(*whole_namespace()) as harness:
        known = harness.get(GUARD)
        delete_unreadable(harness)
        harness.cluster.resources[type(known), "risk", "guard"] = known
        await until(lambda: KEY not in harness.cluster.broken)
        assert harness.acls.acls == set()


async def test_x97_an_agent_that_is_gone_is_remembered_no_longer() -> None:
    async with running(*whole_namespace()) as harness:
        released = harness.controller._logs.released
        delete_unreadable(harness)
        await until(lambda: KEY not in harness.cluster.broken)
        harness.controller.changed(KEY)
        await until(lambda: not released)


async def test_its_finalizer_stays_until_its_access_is_taken_away() -> None:
    async with running(*whole_namespace()) as harness:
        harness.acls.down = True
        delete_unreadable(harness)
        await until(lambda: told(harness, "DeletionBlocked"))
        assert KEY in harness.cluster.broken
        assert "streamwarden.io/orphan: 'true' lets go" in told(harness, "DeletionBlocked")[0]
        harness.acls.down = False
        await until(lambda: KEY not in harness.cluster.broken)
        assert (harness.acls.acls, harness.users.passwords) == (set(), {})


async def test_the_annotation_lets_go_of_it_too() -> None:
    async with running(*whole_namespace()) as harness:
        harness.acls.down = True
        delete_unreadable(harness, annotations={"streamwarden.io/orphan": "true"})
        await until(lambda: KEY not in harness.cluster.broken)
        assert (harness.cluster.workloads, told(harness, "NotReadable")) == ({}, [])


async def test_an_agent_that_is_not_deleted_keeps_everything_though_it_cannot_be_read() -> None:
    async with running(*whole_namespace()) as harness:
        before = set(harness.acls.acls)
        harness.cluster.make_unreadable(harness.get(GUARD))
        harness.controller.changed(KEY)
        harness.controller.changed(key_of(policy("strict")))
        await harness.settle()
        assert (harness.acls.acls, KEY in harness.cluster.broken) == (before, True)
        assert harness.binding().agent_uid == "uid-guard"


class Removing:
    """The removal of one agent whose pods do not end."""

    def __init__(self) -> None:
        self.cluster, self.now = FakeCluster(), datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
        self.cluster.ending.add(("risk", "guard"))
        logs, scaling, installation = LogStore(InstallationNames()), ScalingStore(enabled=False), InstallationNames()
        offsets, quotas = FakeOffsets(FakeTopics()), AgentQuotas(FakeClientQuotas(), {})
        kafka_users, keys = FakeScramUsers(), PublisherKeys(HeldKeys(SigningKey.create()))
        inventory = Inventory(FakePolicyLog(), FakeTopics(), installation=installation, keys=keys)
        users = AgentUsers(self.cluster, kafka_users, FakeLogins(kafka_users), inventory, "kafka:9092")
        access = AgentAccess(self.cluster, FakeAcls(), users, offsets, quotas, installation)
        self._removal = AgentRemoval(
            self.cluster,
            access,
            logs,
            scaling,
            acks=LiveAcks(FakeGateAcks(), self.cluster),
            statuses=AgentStatuses(self.cluster, logs, scaling, lambda: self.now),
            wake=lambda _: None,
            clock=lambda: self.now,
        )
        metadata = GUARD.metadata.model_copy(update={"deletion_timestamp": DELETED_AT, "finalizers": (FINALIZER,)})
        self._agent = self.cluster.put(GUARD.model_copy(update={"metadata": metadata}))

    async def delete(self) -> Result:
        return await self._removal.delete(self.agent())

    def agent(self) -> AgentDeployment:
        found = self.cluster.get(type(self._agent), "risk", "guard")
        assert found is not None
        return found


async def test_pods_that_are_ending_are_looked_after_when_they_should_have_ended() -> None:
    removing = Removing()
    assert await removing.delete() == Result(requeue_after_s=111.0, status_changed=True)
    assert await removing.delete() == Result(requeue_after_s=111.0)
    assert conditions_of(removing.agent())["Ready"] == ("False", "Pending")
    removing.now += timedelta(seconds=111)
    with pytest.raises(NotReadyError, match="pods have not ended after 120 s"):
        await removing.delete()
    assert conditions_of(removing.agent())["Ready"] == ("False", "DeletionBlocked")


@pytest.mark.parametrize(
    "outage",
    [
        pytest.param(KafkaUnavailableError("the policy topic may not be read"), id="kafka-refuses"),
        pytest.param(InvalidSpecError("a policy cannot be read"), id="a-policy-that-nobody-understands"),
    ],
)
async def test_x95_a_deletion_whose_log_was_never_read_says_why_it_waits_and_ends_with_the_outage(
    outage: OperatorError, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(*whole_namespace()) as harness:
        await harness.controller.stop()  # the next process has not read the log
        read = harness.log.read

        async def refused(topic: str) -> Mapping[bytes, SignedRecord]:
            if topic == "risk.streamwarden.policies":
                raise outage
            return await read(topic)

        monkeypatch.setattr(harness.log, "read", refused)
        known = harness.get(GUARD)
        now = format_time(datetime.now(UTC))
        gone = known.metadata.model_copy(update={"deletion_timestamp": now, "finalizers": (FINALIZER,)})
        harness.cluster.put(known.model_copy(update={"metadata": gone}))
        harness.controller = harness.new_controller()
        await harness.controller.start()
        harness.controller.caches_complete()
        harness.controller.changed(KEY)
        await until(lambda: conditions_of(harness.get(GUARD))["Ready"] == ("False", "DeletionBlocked"))
        ready = next(part for part in harness.get(GUARD).status.conditions if part.type == "Ready")
        assert ready.message.startswith(f"{outage}. The annotation streamwarden.io/orphan: 'true' lets go")
        monkeypatch.undo()
        await until(lambda: ("finalizer", "guard", FINALIZER, False) in harness.cluster.writes)
