"""Takes the operator's finalizers away, so that nothing waits for an operator that is gone."""

import asyncio
from collections.abc import AsyncIterator

from streamwarden_operator.adapters.kubernetes.client import MERGE, KubernetesClient, load_configuration
from streamwarden_operator.adapters.kubernetes.errors import AbsentError, Request
from streamwarden_operator.adapters.kubernetes.resource_types import FIELD_MANAGER, KINDS, ResourceType
from streamwarden_operator.ports import Manifest
from streamwarden_operator.reconcilers.agents import removal as agents
from streamwarden_operator.reconcilers.contracts import reconciler as contracts

_TIMEOUT_S = 10.0
"""Longest wait for one answer of the API server."""

FINALIZERS = frozenset({agents.FINALIZER, contracts.FINALIZER})


async def release(client: KubernetesClient, *, dry_run: bool) -> AsyncIterator[str]:
    """Take our finalizers from all resources of all namespaces, and say of each what was done.

    Raises:
        KubernetesUnavailableError: the API server does not answer, or somebody wrote a resource meanwhile; begin again.
    """
    for resource in KINDS:
        try:
            async for page, _ in client.pages(resource, None):
                for manifest in page:
                    if FINALIZERS & set(manifest["metadata"].get("finalizers") or ()):
                        yield await _release(client, resource, manifest, dry_run=dry_run)
        except AbsentError:
            continue  # its CRD is not installed (any more)


async def _release(client: KubernetesClient, resource: ResourceType, manifest: Manifest, *, dry_run: bool) -> str:
    metadata = manifest["metadata"]
    what = f"{resource.kind} {metadata['namespace']}/{metadata['name']}"
    if dry_run:
        return f"would release {what}"
    body = {
        "metadata": {
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "finalizers": [name for name in metadata["finalizers"] if name not in FINALIZERS],
        }
    }
    request = Request("patch", resource, metadata["namespace"], metadata["name"])
    try:
        await client.patch(request, body, content_type=MERGE, manager=FIELD_MANAGER)
    except AbsentError:
        return f"{what} is gone"
    return f"released {what}"


def uninstall(context: str, *, dry_run: bool) -> list[str]:
    """Take our finalizers away, with a connection of its own; returns a line for each resource that had one.

    Args:
        context: the kubeconfig's; empty: the current one.
        dry_run: only say what would be done.
    """
    return asyncio.run(_collect(context, dry_run=dry_run))


async def _collect(context: str, *, dry_run: bool) -> list[str]:
    client = KubernetesClient(await load_configuration(context), timeout_s=_TIMEOUT_S)
    try:
        return [line async for line in release(client, dry_run=dry_run)]
    finally:
        await client.close()
