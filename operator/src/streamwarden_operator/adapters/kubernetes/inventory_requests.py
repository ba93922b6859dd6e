"""The ConfigMap beside the operator by which people order adoptions and releases."""

from streamwarden_contract.inventory_requests import ANSWER_ENTRY, CONFIG_MAP, REQUEST_ENTRY
from typing_extensions import override

from streamwarden_operator.adapters.kubernetes import resource_types
from streamwarden_operator.adapters.kubernetes.client import MERGE, KubernetesClient
from streamwarden_operator.adapters.kubernetes.errors import AbsentError, Request
from streamwarden_operator.adapters.kubernetes.resource_types import FIELD_MANAGER
from streamwarden_operator.errors import ConflictError
from streamwarden_operator.ports import InventoryRequests, Manifest, Ordered


class KubernetesInventoryRequests(InventoryRequests):
    """Implements ``ports.InventoryRequests``: read by name, and patched; never listed, made or deleted."""

    def __init__(self, client: KubernetesClient, namespace: str) -> None:
        """Make one.

        Args:
            client: the API server's.
            namespace: the operator's own.
        """
        self._client = client
        self._namespace = namespace

    @override
    async def read(self) -> Ordered | None:
        found = await self._client.get(resource_types.CONFIG_MAP, self._namespace, CONFIG_MAP)
        return None if found is None else ordered_of(found)

    @override
    async def answer(self, ordered: Ordered, answer: str) -> None:
        body = {"metadata": {"resourceVersion": ordered.version}, "data": {ANSWER_ENTRY: answer}}
        request = Request("patch", resource_types.CONFIG_MAP, self._namespace, CONFIG_MAP)
        try:
            await self._client.patch(request, body, content_type=MERGE, manager=FIELD_MANAGER)
        except AbsentError as error:
            raise ConflictError("the request was taken away meanwhile") from error


def ordered_of(found: Manifest) -> Ordered:
    """Read the ConfigMap."""
    data = found.get("data") or {}
    return Ordered(
        str(data.get(REQUEST_ENTRY) or ""), str(data.get(ANSWER_ENTRY) or ""), found["metadata"]["resourceVersion"]
    )
