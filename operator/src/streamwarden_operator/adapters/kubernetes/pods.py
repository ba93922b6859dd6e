"""How an agent's pods are, read from what Kubernetes says of them. Pure.

The same trouble gives the same words each time (no counts, no times, no names of pods), so that a status in which
nothing new is to be said is not written again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from streamwarden_operator.desired.names import SPEC_HASH_ANNOTATION
from streamwarden_operator.desired.pod_template import AGENT_CONTAINER
from streamwarden_operator.ports import Manifest, WorkloadState

_MAX_LAST_WORDS = 400
_OOM = "OOMKilled"
_PULLING = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_MAKING = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PostStartHookError"})
_UNSCHEDULABLE = "Unschedulable"
_OVER = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What counts of one pod."""

    ready: bool = False
    """Whether the agent has joined its group."""
    over: bool = False
    """Whether it has ended, or was evicted, and only its record is left."""
    trouble: tuple[str, ...] = ()
    """Why its containers do not run, with what to do."""
    unscheduled: str = ""
    """Why no node takes it, in the scheduler's words."""
    spec_hash: str = ""
    """What it was made for: pods of another one are replaced."""


@dataclass(frozen=True, slots=True)
class DeploymentFacts:
    """What counts of a Deployment beside its content."""

    desired: int = 1
    """Pods that are wanted."""
    failure: str = ""
    """Why Kubernetes makes no pods."""
    rolled_out: bool = False
    """Whether Kubernetes has seen what was applied last, and all of its pods are of that."""
    owns_replicas: bool = False
    """Whether our own applies own ``spec.replicas``: one that left it out would set it back to 1."""


def pod_facts(pod: Manifest) -> PodFacts:
    """Read a pod."""
    status = pod.get("status", {})
    containers = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    ready = any(found["name"] == AGENT_CONTAINER and found.get("ready", False) for found in containers)
    images = {found["name"]: found.get("image", "") for found in _containers(pod)}
    trouble = tuple(_unique(text for found in containers for text in _trouble(found, images.get(found["name"], ""))))
    over = status.get("phase") in _OVER
    spec_hash = (pod["metadata"].get("annotations") or {}).get(SPEC_HASH_ANNOTATION, "")
    return PodFacts(ready, over, trouble, _unscheduled(status), spec_hash)


def deployment_facts(deployment: Manifest, manager: str) -> DeploymentFacts:
    """Read a Deployment, as the field manager sees it."""
    replicas = deployment.get("spec", {}).get("replicas", 1)
    failure = ""
    for found in deployment.get("status", {}).get("conditions", ()):
        if found.get("type") == "ReplicaFailure" and found.get("status") == "True":
            failure = (
                f"Kubernetes makes no pods: {found.get('message') or found.get('reason')}. Look at the namespace's "
                "ResourceQuota, LimitRange and Pod Security level"
            )
    owns_replicas = _owns_replicas(deployment, manager)
    return DeploymentFacts(replicas, failure, rolled_out=_rolled_out(deployment), owns_replicas=owns_replicas)


def any_outdated(deployment: DeploymentFacts | None, pods: Iterable[PodFacts], spec_hash: str) -> bool:
    """Tell whether pods of another spec exist, or may still be made; ending ones count, they may connect again."""
    made = any(pod.spec_hash != spec_hash and not pod.over for pod in pods)
    return made or (deployment is not None and not deployment.rolled_out)


def workload_state(deployment: DeploymentFacts | None, pods: Iterable[PodFacts]) -> WorkloadState:
    """Put together how the pods are, from those that are not ending."""
    living = [pod for pod in pods if not pod.over]
    trouble = _unique(text for pod in living for text in pod.trouble)
    if deployment is not None and deployment.failure:
        trouble = [deployment.failure, *trouble]
    return WorkloadState(
        replicas=len(living),
        desired=0 if deployment is None else deployment.desired,
        ready=sum(pod.ready for pod in living),
        crashing="\n".join(trouble),
        unscheduled="\n".join(_unique(pod.unscheduled for pod in living if pod.unscheduled)),
    )


def _unscheduled(status: Manifest) -> str:
    """Tell why no node takes a pod. What preemption would bring is left out: it is said of each node again."""
    for found in status.get("conditions", ()):
        if (found.get("type"), found.get("status"), found.get("reason")) == ("PodScheduled", "False", _UNSCHEDULABLE):
            words = str(found.get("message", "")).partition(" preemption: ")[0].rstrip(".")
            return (
                f"no node takes the pod: {words or _UNSCHEDULABLE}. Look at spec.resources, nodeSelector, tolerations "
                "and affinity, and at what nodes have left"
            )
    return ""


def _trouble(container: dict[str, Any], image: str) -> Iterator[str]:
    """Tell why a container does not run.

    One that was started again after a failure and is not ready yet is still in trouble: else the words would come and
    go with each attempt.
    """
    name, state = container["name"], container.get("state", {})
    ended = state.get("terminated") or container.get("lastState", {}).get("terminated")
    waiting = state.get("waiting") or {}
    reason = waiting.get("reason", "")
    if reason in _PULLING:
        yield (
            f"the image {image!r} of the {name} cannot be pulled: {waiting.get('message') or reason}. Look at its "
            "name, and at imagePullSecrets"
        )
    elif reason in _MAKING:
        yield f"the container {name} cannot be made: {waiting.get('message') or reason}"
    elif ended and not container.get("ready", False) and (failed := _failure(name, ended)):
        yield failed


def _failure(name: str, ended: dict[str, Any]) -> str:
    if ended.get("reason") == _OOM:
        what = "spec.resources" if name == AGENT_CONTAINER else f"spec.{name}.resources"
        return f"the {name} was killed for using more memory than its limit ({_OOM}): raise {what}.limits.memory"
    code = ended.get("exitCode", 0)
    if code == 0:
        return ""
    words = (ended.get("message") or "").strip()
    if len(words) > _MAX_LAST_WORDS:
        words = f"… {words[-_MAX_LAST_WORDS:]}"
    why = f": {words}" if words else f"; 'kubectl logs --previous --container {name}' has why"
    return f"the {name} keeps ending with code {code}{why}"


def _containers(pod: Manifest) -> list[dict[str, Any]]:
    spec = pod.get("spec", {})
    return [*spec.get("initContainers", ()), *spec.get("containers", ())]


def _rolled_out(deployment: Manifest) -> bool:
    status, generation = deployment.get("status", {}), deployment.get("metadata", {}).get("generation", 0)
    seen = status.get("observedGeneration", -1) >= generation
    return bool(seen and status.get("updatedReplicas", 0) == status.get("replicas", 0))


def _owns_replicas(deployment: Manifest, manager: str) -> bool:
    return any(
        entry.get("manager") == manager
        and entry.get("operation") == "Apply"
        and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in deployment.get("metadata", {}).get("managedFields", ())
    )


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
