"""Orders an adoption or a release of a running operator: a ConfigMap is written, and the answer in it awaited."""

import asyncio
from collections.abc import Callable

from streamwarden_contract.errors import InventoryError
from streamwarden_contract.inventory_requests import (
    CONFIG_MAP,
    LONGEST_AGE,
    REQUEST_ENTRY,
    InventoryAnswer,
    InventoryRequest,
    read_answer,
    read_request,
)

from streamwarden_operator.adapters.kubernetes import resource_types
from streamwarden_operator.adapters.kubernetes.client import KubernetesClient, load_configuration
from streamwarden_operator.adapters.kubernetes.errors import AbsentError
from streamwarden_operator.adapters.kubernetes.inventory_requests import ordered_of
from streamwarden_operator.desired.names import MANAGED_BY_LABEL
from streamwarden_operator.errors import ConflictError, KubernetesUnavailableError, NotReadyError
from streamwarden_operator.ports import Manifest, Ordered

_TIMEOUT_S = 10.0
"""Longest wait for one answer of the API server."""
_PAUSE_S = 0.5
_SILENT_S = 5.0
"""After that long without an answer people are told what is waited for."""

Tell = Callable[[str], None]


def order(context: str, namespace: str, request: InventoryRequest, *, wait_s: float, tell: Tell) -> InventoryAnswer:
    """Order something, with a connection of its own, and return what the operator has answered.

    Args:
        context: the kubeconfig's; empty: the current one.
        namespace: the operator's own.
        request: what is ordered.
        wait_s: longest wait for the answer.
        tell: called with what people should know meanwhile, and where they end it.

    Raises:
        KubeconfigError: there is no API server to speak to.
        KubernetesUnavailableError: it does not answer, or refuses.
        NotReadyError: another order waits, or no operator has answered in time.
    """
    return asyncio.run(_order(context, namespace, request, wait_s, tell))


async def _order(context: str, namespace: str, request: InventoryRequest, wait_s: float, tell: Tell) -> InventoryAnswer:
    client = KubernetesClient(await load_configuration(context), timeout_s=_TIMEOUT_S)
    try:
        return await ask(client, namespace, request, wait_s=wait_s, tell=tell)
    finally:
        await client.close()


async def ask(
    client: KubernetesClient, namespace: str, request: InventoryRequest, *, wait_s: float, tell: Tell
) -> InventoryAnswer:
    """Write a request, and return its answer.

    Raises:
        KubernetesUnavailableError: the API server does not answer, or refuses: nothing is ordered.
        NotReadyError: another order waits; or no operator has answered in time, and this one stands.
    """
    await _write(client, namespace, request)
    stands = (
        f"The order stands for {LONGEST_AGE.total_seconds() / 60:g} minutes; to take it back, delete the ConfigMap "
        f"{namespace}/{CONFIG_MAP}"
    )
    try:
        return await _answered(client, namespace, request, wait_s, lambda said: tell(f"{said}. {stands}"))
    except asyncio.CancelledError:
        tell(f"ended before an operator has answered. {stands}")
        raise


async def _answered(
    client: KubernetesClient, namespace: str, request: InventoryRequest, wait_s: float, tell: Tell
) -> InventoryAnswer:
    now = asyncio.get_running_loop().time
    begun_s, told, failed = now(), False, ""
    while now() < begun_s + wait_s:
        try:
            found = await client.get(resource_types.CONFIG_MAP, namespace, CONFIG_MAP)
        except KubernetesUnavailableError as error:  # what is ordered is ordered
            failed = f" (the API server: {error})"
        else:
            failed = ""
            ordered = ordered_of(found) if found is not None else Ordered("", "", "")
            if _id_of(ordered) != request.id:
                raise NotReadyError("somebody else has ordered something meanwhile, in place of this")
            if (answer := _answer_to(ordered, request.id)) is not None:
                return answer
        if not told and now() >= begun_s + _SILENT_S:
            told = True
            tell(f"no operator has answered yet{failed}: waiting for {wait_s:g} s at most")
        await asyncio.sleep(_PAUSE_S)
    raise NotReadyError(
        f"no operator has answered within {wait_s:g} s{failed}. Does one run, and may it get and patch the ConfigMap "
        f"{namespace}/{CONFIG_MAP}? The order stands for 15 minutes; to take it back, delete that ConfigMap"
    )


async def _write(client: KubernetesClient, namespace: str, request: InventoryRequest) -> None:
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP, "namespace": namespace, "labels": {MANAGED_BY_LABEL: "streamwarden"}},
        "data": {REQUEST_ENTRY: request.model_dump_json()},
    }
    found = await client.get(resource_types.CONFIG_MAP, namespace, CONFIG_MAP)
    try:
        if found is None:
            await client.create(resource_types.CONFIG_MAP, manifest)
            return
        if (waiting := _waiting(ordered_of(found), request)) is not None:
            raise NotReadyError(
                f"the order {waiting.id} has no answer yet: wait for it, or delete {namespace}/{CONFIG_MAP}"
            )
        manifest["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
        await client.replace(resource_types.CONFIG_MAP, manifest)
    except ConflictError as error:
        raise NotReadyError("somebody else orders something at the same time: try again") from error
    except AbsentError as error:
        raise KubernetesUnavailableError(
            f"there is no namespace {namespace!r}: where does the operator run?"
        ) from error


def _waiting(ordered: Ordered, request: InventoryRequest) -> InventoryRequest | None:
    """Return what was ordered before and may still be carried out."""
    try:
        before = read_request(ordered.request)
    except InventoryError:
        return None
    is_over = before.too_old(request.requested_at) or _answer_to(ordered, before.id) is not None
    return None if is_over else before


def _id_of(ordered: Ordered) -> str:
    try:
        return read_request(ordered.request).id
    except InventoryError:
        return ""


def _answer_to(ordered: Ordered, request_id: str) -> InventoryAnswer | None:
    try:
        answer = read_answer(ordered.answer)
    except InventoryError:
        return None
    return answer if answer.id == request_id else None
