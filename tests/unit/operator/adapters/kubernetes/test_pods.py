"""How pods are, read from what Kubernetes says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_operator.adapters.kubernetes.pods import (
    DeploymentFacts,
    PodFacts,
    any_outdated,
    deployment_facts,
    pod_facts,
    workload_state,
)
from streamwarden_operator.ports import WorkloadState

if TYPE_CHECKING:
    from streamwarden_operator.ports import Manifest

RUNNING = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
LAST_WORDS = "Traceback ...\nModuleNotFoundError: No module named 'guard'\n"


def pod(agent: dict[str, Any] | None = None, gate: dict[str, Any] | None = None, phase: str = "Running") -> Any:
    """Build a pod from the status of its two containers."""
    spec = {
        "containers": [{"name": "agent", "image": "registry.example/guard:1"}],
        "initContainers": [{"name": "gate", "image": "registry.example/gate:1"}],
    }
    status: dict[str, Any] = {"phase": phase}
    if agent is not None:
        status["containerStatuses"] = [{"name": "agent", "ready": False, **agent}]
    if gate is not None:
        status["initContainerStatuses"] = [{"name": "gate", "ready": False, **gate}]
    return {"metadata": {"name": "guard-abc"}, "spec": spec, "status": status}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, **({"message": message} if message else {})}}}


def ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, **({"message": message} if message else {})}}


def unscheduled(message: str, reason: str = "Unschedulable") -> Any:
    found = pod(phase="Pending")
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    found["status"]["conditions"] = [condition]
    return found


CRASHED = {"lastState": ended(1, message=LAST_WORDS)}
CRASH_WORDS = "the agent keeps ending with code 1: Traceback ...\nModuleNotFoundError: No module named 'guard'"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(pod(), PodFacts(), id="a-new-pod-says-nothing"),
        pytest.param(pod({"state": RUNNING, "ready": True}, {"state": RUNNING}), PodFacts(ready=True), id="ready"),
        pytest.param(pod({"state": RUNNING}, {"state": RUNNING, "ready": True}), PodFacts(), id="a-gate-alone-is-not"),
        pytest.param(pod(waiting("PodInitializing")), PodFacts(), id="starting-is-no-trouble"),
        pytest.param(pod(phase="Failed"), PodFacts(over=True), id="an-evicted-pod-is-over"),
        pytest.param(
            pod({**waiting("CrashLoopBackOff", "back-off 5m0s restarting"), **CRASHED}),
            PodFacts(trouble=(CRASH_WORDS,)),
            id="F18-a-crash-loop-tells-the-last-words-and-not-the-back-off",
        ),
        pytest.param(
            pod({"state": ended(1, message=LAST_WORDS)}), PodFacts(trouble=(CRASH_WORDS,)), id="just-ended-is-the-same"
        ),
        pytest.param(
            pod({"state": RUNNING, **CRASHED}), PodFacts(trouble=(CRASH_WORDS,)), id="a-new-attempt-is-the-same"
        ),
        pytest.param(
            pod({"state": RUNNING, "ready": True, **CRASHED}), PodFacts(ready=True), id="once-ready-it-is-forgotten"
        ),
        pytest.param(pod({"state": ended(0, "Completed")}), PodFacts(), id="an-end-without-a-fault-is-no-trouble"),
        pytest.param(
            pod({"state": ended(3)}),
            PodFacts(
                trouble=("the agent keeps ending with code 3; 'kubectl logs --previous --container agent' has why",)
            ),
            id="without-words-where-to-find-them",
        ),
        pytest.param(
            pod({**waiting("CrashLoopBackOff"), "lastState": ended(137, "OOMKilled")}),
            PodFacts(
                trouble=(
                    (
                        "the agent was killed for using more memory than its limit (OOMKilled): raise "
                        "spec.resources.limits.memory"
                    ),
                )
            ),
            id="out-of-memory-names-the-field",
        ),
        pytest.param(
            pod(gate={"state": RUNNING, "lastState": ended(137, "OOMKilled")}),
            PodFacts(
                trouble=(
                    (
                        "the gate was killed for using more memory than its limit (OOMKilled): raise "
                        "spec.gate.resources.limits.memory"
                    ),
                )
            ),
            id="the-gate-s-memory-is-another-field",
        ),
        pytest.param(
            pod(waiting("ImagePullBackOff", 'Back-off pulling image "registry.example/guard:1"')),
            PodFacts(
                trouble=(
                    (
                        "the image 'registry.example/guard:1' of the agent cannot be pulled: Back-off pulling image "
                        '"registry.example/guard:1". Look at its name, and at imagePullSecrets'
                    ),
                )
            ),
            id="F18-an-image-that-is-not-there",
        ),
        pytest.param(
            unscheduled(
                "0/3 nodes are available: 3 Insufficient memory. preemption: 0/3 nodes are available: 3 No preemption "
                "victims found for incoming pod."
            ),
            PodFacts(
                unscheduled="no node takes the pod: 0/3 nodes are available: 3 Insufficient memory. Look at "
                "spec.resources, nodeSelector, tolerations and affinity, and at what nodes have left"
            ),
            id="X46-the-scheduler-s-words",
        ),
        pytest.param(unscheduled("", reason="SchedulerError"), PodFacts(), id="a-scheduler-that-errs-tries-again"),
        pytest.param(
            pod(waiting("CreateContainerConfigError", 'secret "mine" not found')),
            PodFacts(trouble=('the container agent cannot be made: secret "mine" not found',)),
            id="a-missing-secret",
        ),
    ],
)
def test_a_pod_is_read(found: Any, expected: PodFacts) -> None:
    assert pod_facts(found) == expected


def test_long_last_words_are_cut_at_their_beginning() -> None:
    (words,) = pod_facts(pod({"state": ended(1, message="x" * 900 + "the end")})).trouble
    assert words.startswith("the agent keeps ending with code 1: … x")
    assert words.endswith("the end")
    assert len(words) < 500


QUOTA = 'pods "guard-x" is forbidden: exceeded quota: none'


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [
        pytest.param({"spec": {"replicas": 3}}, DeploymentFacts(desired=3), id="its-number"),
        pytest.param({"spec": {"replicas": 0}}, DeploymentFacts(desired=0), id="none-is-a-number"),
        pytest.param(
            {
                "spec": {"replicas": 1},
                "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "message": QUOTA}]},
            },
            DeploymentFacts(
                failure=f"Kubernetes makes no pods: {QUOTA}. Look at the namespace's ResourceQuota, LimitRange and Pod "
                "Security level"
            ),
            id="F17-no-pods-may-be-made",
        ),
        pytest.param(
            {"spec": {"replicas": 1}, "status": {"conditions": [{"type": "ReplicaFailure", "status": "False"}]}},
            DeploymentFacts(),
            id="a-failure-that-is-over",
        ),
        pytest.param(
            {
                "metadata": {
                    "managedFields": [
                        {"manager": "us", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                    ]
                },
                "spec": {"replicas": 1},
            },
            DeploymentFacts(owns_replicas=True),
            id="our-applies-own-the-number",
        ),
        pytest.param(
            {
                "metadata": {
                    "managedFields": [
                        {"manager": "us", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                        {"manager": "other", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
                        {"manager": "us", "operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {}}}},
                    ]
                },
                "spec": {"replicas": 1},
            },
            DeploymentFacts(),
            id="others-own-it",
        ),
    ],
)
def test_a_deployment_is_read(deployment: Any, expected: DeploymentFacts) -> None:
    assert deployment_facts(deployment, "us") == expected


@pytest.mark.parametrize(
    ("deployment", "pods", "expected"),
    [
        pytest.param(None, [], WorkloadState(replicas=0, desired=0), id="nothing"),
        pytest.param(
            DeploymentFacts(desired=3),
            [PodFacts(ready=True), PodFacts(), PodFacts(over=True)],
            WorkloadState(replicas=2, desired=3, ready=1),
            id="what-is-over-does-not-count",
        ),
        pytest.param(
            DeploymentFacts(desired=3),
            [PodFacts(unscheduled="no node"), PodFacts(unscheduled="no node"), PodFacts(ready=True)],
            WorkloadState(replicas=3, desired=3, ready=1, unscheduled="no node"),
            id="X46-pods-without-a-node-say-why-once",
        ),
        pytest.param(
            DeploymentFacts(desired=2),
            [PodFacts(trouble=("a", "b")), PodFacts(trouble=("b",)), PodFacts(over=True, trouble=("c",))],
            WorkloadState(replicas=2, desired=2, crashing="a\nb"),
            id="the-same-trouble-once",
        ),
        pytest.param(
            DeploymentFacts(failure="no room"),
            [PodFacts(trouble=("a",))],
            WorkloadState(replicas=1, crashing="no room\na"),
            id="what-keeps-pods-from-being-made-comes-first",
        ),
    ],
)
def test_the_state_is_put_together(
    deployment: DeploymentFacts | None, pods: list[PodFacts], expected: WorkloadState
) -> None:
    assert workload_state(deployment, pods) == expected


NEW, OLD = "for-this", "for-what-was-before"
SEEN = {"metadata": {"generation": 4}, "status": {"observedGeneration": 4, "replicas": 2, "updatedReplicas": 2}}


@pytest.mark.parametrize(
    ("deployment", "pods", "outdated"),
    [
        pytest.param(SEEN, [NEW, NEW], False, id="F42-all-pods-are-replaced"),
        pytest.param(SEEN, [NEW, OLD], True, id="F42-one-of-before-exists-or-is-ending"),
        pytest.param({**SEEN, "metadata": {"generation": 5}}, [NEW], True, id="F42-kubernetes-has-not-seen-it"),
        pytest.param({"metadata": {"generation": 1}}, [], True, id="F42-kubernetes-has-said-nothing"),
        pytest.param(
            {**SEEN, "status": {"observedGeneration": 4, "replicas": 2, "updatedReplicas": 1}},
            [NEW],
            True,
            id="F42-a-pod-of-before-counts-that-nobody-has-seen",
        ),
        pytest.param({"metadata": {"generation": 4}, "status": {"observedGeneration": 4}}, [], False, id="F42-none"),
    ],
)
def test_pods_of_before(deployment: Manifest, pods: list[str], *, outdated: bool) -> None:
    facts = deployment_facts(deployment, "streamwarden-operator")
    found = [pod_facts({"metadata": {"annotations": {"streamwarden.io/spec-hash": of}}}) for of in pods]
    assert any_outdated(facts, found, NEW) is outdated


def test_f42_a_pod_of_before_that_is_over_keeps_nothing_up() -> None:
    over = pod_facts({"metadata": {"annotations": {"streamwarden.io/spec-hash": OLD}}, "status": {"phase": "Failed"}})
    assert not any_outdated(deployment_facts(SEEN, "m"), [over], NEW)
