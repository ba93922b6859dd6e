"""What keeps the operator from starting, and what does not end it."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from streamwarden_kafka.connection import Connection
from streamwarden_operator.clock import TOLD_AGAIN_AFTER, Reminders
from streamwarden_operator.errors import (
    InvalidSpecError,
    KafkaForbiddenError,
    KafkaTooOldError,
    KafkaUnavailableError,
    KubernetesUnavailableError,
    SigningKeyLostError,
)
from streamwarden_operator.handlers import runtime
from streamwarden_operator.handlers.health import Health
from streamwarden_operator.handlers.runtime import Runtime
from streamwarden_operator.keys import Key
from streamwarden_operator.metrics import Metrics
from streamwarden_operator.plans.inventory import Place
from streamwarden_operator.settings import OperatorSettings
from streamwarden_operator.supervision import Supervisor
from structlog.testing import capture_logs
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from streamwarden_operator.adapters.kubernetes.cluster import KubernetesCluster
    from streamwarden_operator.adapters.kubernetes.election import Election
    from streamwarden_operator.backends import Backends


async def test_an_installation_with_another_ones_kafka_user_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "librdkafka.properties"
    file.write_text(Connection.scram("a:1", "streamwarden.operator", "hunter2").render())
    settings = OperatorSettings(installation="acme", kafka_properties=file, gate_image="gate")
    with pytest.raises(InvalidSpecError, match=r"whose Kafka user is 'acme\.operator'") as refused:
        await Runtime.open(settings)
    assert "hunter2" not in str(refused.value)


class OneBadAnswer:
    """A cluster whose second list is not as any list should be."""

    def __init__(self) -> None:
        self.lists = 0
        self.third = asyncio.Event()

    async def resync(self) -> frozenset[Key]:
        self.lists += 1
        if self.lists == 2:
            raise KeyError("kind")
        if self.lists == 3:
            self.third.set()
        return frozenset()

    def known(self) -> frozenset[Key]:
        return frozenset()

    def list(self, _kind: type) -> tuple[()]:
        return ()

    async def close(self) -> None:
        """Nothing is open."""


class Told(OneBadAnswer):
    """A cluster in which people say things to the operator's namespace, and are told Events."""

    def __init__(self, **said: str) -> None:
        super().__init__()
        self.said = {f"streamwarden.io/{name.replace('_', '-')}": value for name, value in said.items()}
        self.events: list[str] = []
        self.secrets = None

    async def uid(self) -> str:
        return "uid-of-this-one"

    async def namespace_annotations(self, _namespace: str) -> dict[str, str]:
        return self.said

    async def record_event(self, _key: Key, *, reason: str, message: str, warning: bool) -> None:
        self.events.append(f"{reason}: {message}, {warning}")


def runtime_over(cluster: OneBadAnswer, metrics: Metrics) -> Runtime:
    health = Health(0, timedelta(seconds=20), metrics)
    return Runtime(OperatorSettings(), Connection("a:1"), cast("KubernetesCluster", cluster), health, metrics)


async def test_requests_to_kafka_are_counted_each_by_the_client_that_sent_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tell: dict[str, Callable[[str, str], None]] = {}

    def connect(*_: object, on_answered: Any, on_wire_answered: Any, **_named: object) -> None:
        tell.update(admin=on_answered, wire=on_wire_answered)
        raise KafkaUnavailableError("no broker")

    monkeypatch.setattr(runtime, "connect", connect)
    metrics = Metrics()
    with pytest.raises(KafkaUnavailableError):
        await runtime_over(Told(), metrics)._begin()
    tell["admin"]("create_topics", "refused")
    tell["wire"]("ListOffsets", "no_answer")
    counted = [line for line in metrics.render().decode().splitlines() if "kafka_" in line and "_total{" in line]
    assert counted == [
        'streamwarden_operator_kafka_admin_requests_total{outcome="refused",request="create_topics"} 1.0',
        'streamwarden_operator_kafka_wire_requests_total{outcome="no_answer",request="ListOffsets"} 1.0',
    ]


async def test_who_waits_for_its_key_says_on_debug_tasks_what_it_waits_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """People look there where a process does not become ready: before there is a controller, too."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def held(*_: object, **_named: object) -> None:
        asked.set()
        await go_on.wait()

    monkeypatch.setattr(runtime, "keep_signing_key", held)
    made = runtime_over(Told(), Metrics())
    task = asyncio.create_task(made._first_keys(cast("Backends", None)), name="leadership")
    await asked.wait()
    seen = cast("dict[str, list[dict[str, Any]]]", made.health.look())
    (found,) = [each for each in seen["tasks"] if each["name"] == "leadership"]
    assert "Runtime._first_keys" in found["awaits"][0]
    assert seen["running"] == seen["waiting"] == seen["failing"] == []
    go_on.set()
    await task


@pytest.mark.parametrize(
    ("error", "reason"),
    [(SigningKeyLostError("gone"), "SigningKeyLost"), (KafkaForbiddenError("gone"), "KafkaAuthorizationFailed")],
)
async def test_who_waits_for_the_key_is_not_ready_and_says_why_by_the_word_that_pages_explain(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    cluster, ready = Told(), list[bool]()

    async def lost_once(*_: object, **_named: object) -> None:
        ready.append(made.health.ready)
        if len(ready) == 1:
            raise error

    monkeypatch.setattr(runtime, "_RETRY", timedelta(0))
    monkeypatch.setattr(runtime, "keep_signing_key", lost_once)
    made = runtime_over(cluster, Metrics())
    made.health.ready = True
    await made._first_keys(cast("Backends", None))
    assert ready == [True, False]
    assert cluster.events == [f"{reason}: gone, True"]


async def test_x83_a_key_that_stays_lost_is_told_again_before_its_event_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API server forgets an Event after an hour: who is called after it is to find the command, too."""
    cluster, asked = Told(), list[float]()

    async def lost_for_a_while(*_: object, **_named: object) -> None:
        asked.append(TOLD_AGAIN_AFTER.total_seconds() * len(asked) * 0.6)
        if len(asked) < 5:
            raise SigningKeyLostError("the Secret is gone")

    monkeypatch.setattr(runtime, "_RETRY", timedelta(0))
    monkeypatch.setattr(runtime, "keep_signing_key", lost_for_a_while)
    monkeypatch.setattr(runtime, "Reminders", partial(Reminders, clock=lambda: asked[-1]))
    await runtime_over(cluster, Metrics())._first_keys(cast("Backends", None))
    assert cluster.events == ["SigningKeyLost: the Secret is gone, True"] * 2  # at 0, 0.6, 1.2 and 1.8 of that time


def answering(monkeypatch: pytest.MonkeyPatch, *answers: Exception | None) -> None:
    """Let Kafka answer like this, one time after the other."""
    left = list(answers)

    async def check(*_: object, **_named: object) -> None:
        if (answer := left.pop(0)) is not None:
            raise answer

    monkeypatch.setattr(runtime, "_RETRY", timedelta(0))
    monkeypatch.setattr(runtime, "check_kafka", check)


async def test_f43_a_kafka_that_is_too_old_is_told_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, KafkaTooOldError("upgrade it"))
    cluster = Told()
    made = runtime_over(cluster, Metrics())
    await made._lead()
    assert str(made.refused) == "upgrade it"
    assert made.stopping.is_set()
    assert made.controller is None
    assert cluster.events == ["KafkaTooOld: upgrade it, True"]


async def test_f43_a_kafka_that_is_found_too_old_once_it_answers_ends_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, KafkaUnavailableError("away"), KafkaUnavailableError("away"), KafkaTooOldError("upgrade it"))
    cluster = Told()
    made = runtime_over(cluster, Metrics())
    assert not await made._kafka_can()
    await made._await_kafka()
    assert str(made.refused) == "upgrade it"
    assert made.stopping.is_set()
    assert cluster.events == ["KafkaTooOld: upgrade it, True"]


async def test_settings_that_only_librdkafka_has_say_nothing_of_kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, InvalidSpecError("ssl.engine.location cannot be used"))
    made = runtime_over(Told(), Metrics())
    assert await made._kafka_can()
    assert made.refused is None


async def test_what_a_watch_saw_is_looked_at_until_the_api_server_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_RETRY", timedelta(0))
    failures = [KubernetesUnavailableError("away")] * 3
    key = Key("Policy", "risk", "strict")

    class Away(OneBadAnswer):
        async def see(self, _event: str | None, _manifest: object) -> Key:
            if failures:
                raise failures.pop()
            return key

    assert await runtime_over(Away(), Metrics()).see("MODIFIED", {}) == key


async def test_the_clusters_that_are_taken_over_are_those_that_people_name() -> None:
    made = runtime_over(Told(take_over_cluster="uid-1,uid-2"), Metrics())
    assert await made._place() == Place("uid-of-this-one", frozenset({"uid-1", "uid-2"}), "streamwarden")


class WithoutCrds(OneBadAnswer):
    """A cluster whose CRDs come with the third look."""

    @override
    async def resync(self) -> frozenset[Key]:
        self.lists += 1
        if self.lists < 3:
            raise KubernetesUnavailableError("the API server does not serve policies: are the CRDs installed?")
        return frozenset()


async def test_f15_crds_that_are_missing_are_waited_for_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_RETRY", timedelta(0))
    cluster = WithoutCrds()
    made = runtime_over(cluster, Metrics())
    with capture_logs() as logs:
        assert await made._first_list() == frozenset()
    assert cluster.lists == 3
    assert [(line["event"], line["error"]) for line in logs] == [
        ("waiting for the API server", "the API server does not serve policies: are the CRDs installed?")
    ]


class Beginning(Told):
    """A stand-by of yesterday, whose lists are refused by now; what it does when it leads is written down."""

    client = None

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.done: list[str] = []
        self.lost, self.lost_by, self.queue, self.leads = asyncio.Event(), None, None, True
        self.runtime = runtime_over(self, Metrics())
        self.runtime.election = cast("Election", self)
        for name, act in (("acquire", "leads"), ("confirm", "renews its Lease"), ("release", "lets go")):
            setattr(self, name, self._noting(act))
        monkeypatch.setattr(runtime, "_RETRY", timedelta(0))
        monkeypatch.setattr(runtime, "connect", lambda *_, **_named: None)
        monkeypatch.setattr(runtime, "check_kafka", self._noting("asks Kafka what it can do"))
        monkeypatch.setattr(runtime, "keep_signing_key", self._noting("has its key"))
        monkeypatch.setattr(runtime, "measure_controller", lambda *_: None)
        monkeypatch.setattr(runtime, "Controller", lambda *_, **_named: self)

    def _noting(self, act: str) -> Callable[..., Awaitable[Any]]:
        async def noted(*_: object, **_named: object) -> object:
            self.done.append(act)
            return SimpleNamespace(keys=None, key_id="1")

        return noted

    @override
    async def resync(self) -> frozenset[Key]:
        self.done.append(f"lists, ready: {self.runtime.health.ready}")
        if len(self.done) < 6:
            raise KubernetesUnavailableError("policies are forbidden to this user")
        return frozenset()

    async def hold(self) -> None:
        await asyncio.Event().wait()

    async def start(self) -> None:
        self.done.append("works")

    def caches_complete(self) -> None:
        self.done.append("may sweep")

    async def stop(self) -> None:
        """Nothing runs."""

    changed = check = None


async def test_x82_a_stand_by_of_yesterday_lists_everything_before_it_works_and_sweeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its watches and lists may have failed since: it swept what the leader before had made, and it had not seen."""
    made = Beginning(monkeypatch)
    made.runtime.health.ready = True
    await made.runtime._lead()
    await made.runtime.stop()
    assert made.done == [
        "leads",
        "asks Kafka what it can do",
        "has its key",
        "lists, ready: True",
        "lists, ready: False",
        "lists, ready: False",
        "renews its Lease",
        "works",
        "may sweep",
        "lets go",
    ]


async def test_x93_one_bad_answer_does_not_end_the_resync_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def stand_by(_runtime: Runtime) -> None:
        """Nobody leads here."""

    monkeypatch.setattr(runtime, "_SETTLE", timedelta(0))
    monkeypatch.setattr(Runtime, "_lead", stand_by)
    cluster, metrics = OneBadAnswer(), Metrics()
    made = runtime_over(cluster, metrics)
    made._supervisor = Supervisor(first_pause_s=0)
    await made.start()
    try:
        async with asyncio.timeout(10):
            await cluster.third.wait()
    finally:
        await made.stop()
    assert 'streamwarden_operator_task_restarts_total{task="resync"} 1.0' in metrics.render().decode()


class Thousand(OneBadAnswer):
    """A cluster with a thousand agents."""

    @override
    def known(self) -> frozenset[Key]:
        return frozenset(Key("AgentDeployment", "risk", f"guard-{number}") for number in range(1_000))


async def test_x85_a_thousand_that_are_woken_let_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    woken, seen = list[Key](), list[int]()
    monkeypatch.setattr(Runtime, "changed", lambda _runtime, key: woken.append(key))
    cluster, metrics = Thousand(), Metrics()
    health = Health(0, timedelta(seconds=20), metrics)
    made = Runtime(OperatorSettings(), Connection("a:1"), cast("KubernetesCluster", cluster), health, metrics)

    async def look() -> None:
        while len(woken) < 1_000:
            seen.append(len(woken))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await made._wake(cluster.known())
    await looking
    assert woken == sorted(cluster.known())
    assert max(after - before for before, after in pairwise([*seen, 1_000])) <= 50


async def test_x85_a_full_collection_does_not_go_through_what_was_there_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def stand_by(_runtime: Runtime) -> None:
        """Nobody leads here."""

    monkeypatch.setattr(Runtime, "_lead", stand_by)
    metrics = Metrics()
    health = Health(0, timedelta(seconds=20), metrics)
    made = Runtime(OperatorSettings(), Connection("a:1"), cast("KubernetesCluster", Thousand()), health, metrics)
    gc.unfreeze()
    there = len(gc.get_objects())
    await made.start()
    try:
        left, frozen = len(gc.get_objects()), gc.get_freeze_count()
    finally:
        await made.stop()  # and what is frozen stays so: so it was before this test
    assert left < there / 100
    assert frozen > there / 2
