"""What of the operator's work is counted, and what is read when Prometheus asks."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families
from streamwarden_contract.models import AgentDeployment, Policy
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.desired.status import condition, true
from streamwarden_operator.handlers.measuring import (
    measure_client,
    measure_controller,
    measure_incidents,
    measure_restarts,
)
from streamwarden_operator.keys import Key
from streamwarden_operator.metrics import Metrics
from streamwarden_operator.result import GONE
from streamwarden_operator.supervision import Supervisor
from support.operator_harness import running, scaled, until, whole_namespace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    import pytest
    from streamwarden_operator.result import Result
    from support.operator_harness import Harness

AGENT = Key("AgentDeployment", "risk", "guard")
POLICY = Key("Policy", "risk", "strict")


def values(metrics: Metrics, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    samples = [
        sample
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if sample.name == f"streamwarden_operator_{name}" and labels.items() <= sample.labels.items()
    ]
    return sum(sample.value for sample in samples)


@asynccontextmanager
async def measured(*resources: Any) -> AsyncIterator[tuple[Harness, Metrics]]:
    metrics = Metrics()

    def prepare(harness: Harness) -> None:
        make = harness.new_controller

        def new() -> Any:
            made = make()
            measure_controller(metrics, made, harness.cluster)
            return made

        harness.new_controller = new  # type: ignore[method-assign]  # measured from its first reconcile on

    async with running(*resources, prepare=prepare) as harness:
        yield harness, metrics


async def test_reconciles_are_counted_by_kind_and_result_and_timed() -> None:
    async with measured(*whole_namespace()) as (harness, metrics):
        before = values(metrics, "reconciles_total", kind="Policy", result="success")
        assert before > 0
        harness.controller.add(POLICY)
        await until(lambda: values(metrics, "reconciles_total", kind="Policy", result="success") == before + 1)
        assert values(metrics, "reconcile_duration_seconds_count", kind="Policy") == before + 1


async def test_failures_retries_and_what_fails_now_are_told_apart() -> None:
    async with measured(*whole_namespace()) as (harness, metrics):
        assert values(metrics, "retries_total") == 0
        harness.users.down = True
        harness.controller.add(AGENT)
        await until(lambda: values(metrics, "retries_total", kind="AgentDeployment") >= 2)
        assert values(metrics, "reconciles_total", kind="AgentDeployment", result="unavailable") >= 2
        assert values(metrics, "failing", kind="AgentDeployment") == 1
        harness.users.down = False
        await harness.settle()
        assert values(metrics, "failing") == 0


async def test_a_defect_is_a_result_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_key: Key) -> Result:
        raise RuntimeError("ours")

    async with measured(*whole_namespace()) as (harness, metrics):
        monkeypatch.setattr(harness.controller.reconcilers["Policy"], "reconcile", broken)
        harness.controller.add(POLICY)
        await until(lambda: values(metrics, "reconciles_total", kind="Policy", result="defect") == 1)


async def test_what_waits_and_what_runs_are_read_by_priority_and_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    async with measured(*whole_namespace()) as (harness, metrics):
        go_on = asyncio.Event()

        async def held(_key: Key) -> Result:
            await go_on.wait()
            return GONE  # to break instead would cost 0.3 s each: of a defect all is told

        monkeypatch.setattr(harness.controller.reconcilers["AgentDeployment"], "reconcile", held)
        workers = harness.settings.workers
        for number in range(workers + 3):
            harness.controller.add(Key("AgentDeployment", "risk", f"other-{number}"))
        assert values(metrics, "queue_depth", priority="new", kind="AgentDeployment") == workers + 3
        await until(lambda: values(metrics, "reconciles_running", kind="AgentDeployment") == workers)
        harness.controller.add(POLICY)
        assert values(metrics, "queue_depth", priority="first", kind="Policy") == 1
        assert values(metrics, "queue_depth", priority="new", kind="AgentDeployment") == 3
        await until(lambda: values(metrics, "oldest_reconcile_seconds") > 0.05)
        monkeypatch.undo()
        go_on.set()
        await until(lambda: values(metrics, "reconciles_running") == 0)


async def test_conditions_are_read_from_the_statuses_and_only_those_that_a_kind_knows() -> None:
    async with measured(*whole_namespace()) as (harness, metrics):
        assert values(metrics, "conditions", kind="Policy", type="Accepted", status="True") == 2
        before = values(metrics, "conditions", kind="Policy")
        strict = harness.cluster.get(Policy, "risk", "strict")
        assert strict is not None
        foreign = [true(f"Invented{number}") for number in range(50)]
        status = strict.status.model_copy(update={"conditions": (*strict.status.conditions, *foreign)})
        harness.cluster.put(strict.model_copy(update={"status": status}))
        assert values(metrics, "conditions", kind="Policy") == before


async def test_incidents_are_counted_by_reason_once_a_namespace_and_told_where_there_are_none() -> None:
    key_lost = False
    async with measured(*whole_namespace()) as (harness, metrics):
        measure_incidents(metrics, harness.cluster, lambda: key_lost)
        text = metrics.render().decode()
        assert 'streamwarden_operator_incidents{reason="SharedTopicLost"} 0.0' in text
        assert values(metrics, "incidents") == 0

        lost = condition("TopicsReady", "False", ConditionReason.SHARED_TOPIC_LOST, "risk.streamwarden.audit is gone")
        for kind, name in ((Policy, "strict"), (AgentDeployment, "guard")):
            found = harness.cluster.get(kind, "risk", name)
            assert found is not None
            told = found.status.model_copy(update={"conditions": (*found.status.conditions, lost)})
            harness.cluster.put(found.model_copy(update={"status": told}))
        assert (values(metrics, "incidents", reason="SharedTopicLost"), values(metrics, "incidents")) == (1, 1)

        key_lost = True
        assert values(metrics, "incidents", reason="SigningKeyLost") == 1


async def test_agents_that_scale_are_counted_by_what_is_known_of_their_lag() -> None:
    async with measured(*whole_namespace()) as (harness, metrics):
        assert values(metrics, "scaled_agents") == 0
        harness.put(scaled())
        await until(lambda: values(metrics, "scaled_agents", lag="Known") == 1)


async def test_a_policy_in_force_is_timed_from_its_publication() -> None:
    metrics = Metrics()
    async with running(*whole_namespace()) as harness:
        measure_controller(metrics, harness.controller, harness.cluster)
        harness.controller.on_rollout("risk", "strict", 3, 2, 2, 400.0)
    assert values(metrics, "rollout_duration_seconds_sum") == 0.4
    assert values(metrics, "rollout_duration_seconds_bucket", le="0.25") == 0
    assert values(metrics, "rollout_duration_seconds_bucket", le="0.5") == 1


def test_requests_to_the_api_server_are_counted_by_what_was_asked_and_how_it_went() -> None:
    class Client:
        on_answer: Any = None

    metrics, client = Metrics(), Client()
    measure_client(metrics, client)  # type: ignore[arg-type]  # all that is used of one
    client.on_answer("patch", "policies.streamwarden.io/status", "409", 0.03)
    client.on_answer("get", "secrets", "no_answer", 15.0)
    assert values(metrics, "kubernetes_requests_total", resource="policies.streamwarden.io/status", code="409") == 1
    assert values(metrics, "kubernetes_requests_total", verb="get", code="no_answer") == 1
    assert values(metrics, "kubernetes_request_duration_seconds_bucket", verb="patch", le="0.02") == 0
    assert values(metrics, "kubernetes_request_duration_seconds_bucket", verb="patch", le="0.1") == 1


async def test_x93_tasks_that_break_are_counted_whoever_keeps_them() -> None:
    async with measured(*whole_namespace()) as (harness, metrics):
        own = Supervisor(first_pause_s=0)
        measure_restarts(metrics, own)
        breaks = iter([KeyError("kind"), KeyError("kind")])

        async def resync() -> None:
            for error in breaks:
                raise error

        own.start(resync, role="resync")
        await asyncio.gather(*own.tasks)
        harness.controller.supervisor.on_restart("scaler")
        harness.controller.queue.supervisor.on_restart("worker")
        harness.acks.on_restart("gate-acks")
        counted = {task: values(metrics, "task_restarts_total", task=task) for task in ("resync", "scaler", "worker")}
        assert counted == {"resync": 2, "scaler": 1, "worker": 1}
        assert values(metrics, "task_restarts_total") == 5
