"""``config/``, as a platform team applies it: the operator has the rights it needs, and no others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import yaml
from streamwarden_contract.models import AgentDeployment
from streamwarden_operator.adapters.kubernetes.resource_types import SECRET
from streamwarden_operator.adapters.kubernetes.secrets import SecretStore
from streamwarden_operator.adapters.kubernetes.signing_key import SECRET_NAME, keep_signing_key
from streamwarden_operator.errors import ConflictError, ForbiddenError, InvalidSpecError
from streamwarden_operator.ports import KeyIds
from support.api_server import OPERATOR_USER, ROOT, ApiServer, write_overlay
from support.cluster_behaviour import FINALIZER, ResourceBehaviour, WorkloadBehaviour, workload_of
from support.kubernetes_side import KubernetesSide, kubernetes_side
from support.operator_harness import agent, contract

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from streamwarden_operator.adapters.kubernetes.client import KubernetesClient


_WAIT_S = 60.0


@pytest.fixture(scope="session")
def installed(api_server: ApiServer) -> ApiServer:
    """An API server with ``config/default``."""
    api_server.kubectl("apply", "--server-side", "-k", str(ROOT / "config" / "default"))
    return api_server


@pytest.fixture
async def operator(installed: ApiServer) -> AsyncIterator[KubernetesClient]:
    """The operator's own rights."""
    client = installed.client(OPERATOR_USER)
    yield client
    await client.close()


@pytest.fixture
async def bare_side(installed: ApiServer) -> AsyncIterator[KubernetesSide]:
    """The operator in a namespace that nobody has prepared for agents."""
    async with kubernetes_side(installed, OPERATOR_USER) as side:
        yield side


@pytest.fixture
def side(bare_side: KubernetesSide, installed: ApiServer, tmp_path: Path) -> KubernetesSide:
    """The operator in a namespace with ``config/namespace``, named by an overlay."""
    write_overlay(tmp_path, "namespace", namespace=bare_side.namespace)
    installed.kubectl("apply", "--server-side", "-k", str(tmp_path))
    return bare_side


class TestResourcesWithTheOperatorsRights(ResourceBehaviour):
    pass


class TestWorkloadsWithTheOperatorsRights(WorkloadBehaviour):
    pass


async def test_in_a_namespace_that_was_not_prepared_the_operator_says_what_to_apply(bare_side: KubernetesSide) -> None:
    workload = workload_of(await bare_side.put(agent(namespace=bare_side.namespace)))
    first = f"patch serviceaccounts 'guard' in namespace '{bare_side.namespace}'"
    with pytest.raises(ForbiddenError, match=first) as no:
        await bare_side.cluster.apply_workload(workload)
    assert "config/namespace to each namespace with agents" in str(no.value)
    with pytest.raises(ForbiddenError, match="get secrets 'guard-agent-credentials'"):
        await bare_side.cluster.read_secret(bare_side.namespace, "guard-agent-credentials")


async def test_f14_a_namespace_that_goes_takes_along_what_the_operator_may_not_delete_any_more(
    side: KubernetesSide, installed: ApiServer
) -> None:
    workload = workload_of(await side.put(agent(namespace=side.namespace)))
    guard = side.cluster.get(AgentDeployment, side.namespace, "guard")
    assert guard is not None
    await side.cluster.set_finalizer(guard, FINALIZER, present=True)
    await side.cluster.apply_secret(side.namespace, workload.gate_secret, {"client.properties": "a=1"})
    await side.cluster.apply_workload(workload)
    await asyncio.to_thread(installed.kubectl, "delete", "namespace", side.namespace, "--wait=false")
    async with asyncio.timeout(_WAIT_S):
        while await may_read(side, workload.gate_secret):  # the RoleBinding is among the first to go
            await side.resync()
    await side.cluster.delete_secret(side.namespace, workload.gate_secret)
    async with asyncio.timeout(_WAIT_S):
        while not await side.cluster.delete_workload(side.namespace, "guard"):
            await side.resync()
    async with asyncio.timeout(_WAIT_S):
        while not await let_go(side):
            await side.resync()


async def let_go(side: KubernetesSide) -> bool:
    """Take the finalizer away; False where the agent was changed meanwhile, as by those who delete its namespace."""
    await side.resync()
    leaving = side.cluster.get(AgentDeployment, side.namespace, "guard")
    assert leaving is not None
    try:
        await side.cluster.set_finalizer(leaving, FINALIZER, present=False)
    except ConflictError:
        return False
    return True


@pytest.mark.parametrize("namespace", ["everywhere", "streamwarden", "own"])
async def test_the_operator_never_lists_secrets(
    side: KubernetesSide, operator: KubernetesClient, namespace: str
) -> None:
    where = {"everywhere": None, "own": side.namespace}.get(namespace, namespace)
    with pytest.raises(ForbiddenError, match="list secrets"):
        _ = [page async for page in operator.pages(SECRET, where)]


async def test_the_signing_key_is_made_once_and_is_the_only_secret_the_operator_reads_there(
    operator: KubernetesClient,
) -> None:
    secrets = SecretStore(operator)
    made = await keep_signing_key(secrets, "streamwarden")
    assert (await keep_signing_key(SecretStore(operator), "streamwarden")).key_id == made.key_id
    assert not await secrets.create("streamwarden", SECRET_NAME, {"private-key.pem": "another"})
    with pytest.raises(ForbiddenError):
        await secrets.read_any("streamwarden", "streamwarden-kafka")


async def test_x83_a_key_that_a_backup_brought_back_leaves_the_secret_once_it_signs(
    installed: ApiServer, operator: KubernetesClient
) -> None:
    """Of what was restored somebody else is the manager: what was replaced stayed, and signed after a start."""
    keys = await keep_signing_key(SecretStore(operator), "streamwarden")
    await keys.add_following()
    backup = yaml.safe_load(installed.kubectl("get", "secret", SECRET_NAME, "-n", "streamwarden", "-o", "yaml"))
    backup["metadata"] = {"name": SECRET_NAME, "namespace": "streamwarden"}
    installed.kubectl("delete", "secret", SECRET_NAME, "-n", "streamwarden")
    installed.apply(backup)
    restored = await keep_signing_key(SecretStore(operator), "streamwarden")
    await restored.sign_with_following()
    await restored.retire_previous()
    kept = await SecretStore(operator).read_kept("streamwarden", SECRET_NAME)
    assert kept is not None
    assert set(kept.data) == {"private-key.pem", "keys.json"}
    assert (await keep_signing_key(SecretStore(operator), "streamwarden")).ids == KeyIds(restored.key_id)


async def test_a_topic_of_another_namespace_is_refused(bare_side: KubernetesSide) -> None:
    said = await refusal(bare_side, contract("pages", bare_side.namespace, topicName="elsewhere.pages"))
    assert f'topic "elsewhere.pages" must start with its namespace: "{bare_side.namespace}."' in said


@pytest.mark.parametrize("kind", ["agent", "contract"])
async def test_the_namespace_streamwarden_takes_no_agents_and_no_contracts(
    bare_side: KubernetesSide, kind: str
) -> None:
    name = f"t{uuid4().hex[:10]}"
    made: Any = (
        agent(name, "streamwarden") if kind == "agent" else contract(name, "streamwarden", topicName="risk.pages")
    )
    assert "takes no agents or contracts" in await refusal(bare_side, made)


async def test_what_a_namespace_may_have_passes(bare_side: KubernetesSide) -> None:
    await bare_side.put(contract("pages", bare_side.namespace))
    await bare_side.put(agent(namespace=bare_side.namespace))


_KNOWN = ", ".join(f"streamwarden.io/{name}" for name in ("managed", "orphan", "pause-reconciliation"))
_UNHEARD = {
    "pause-reconciliation=True": "nobody hears the value of streamwarden.io/pause-reconciliation: write",
    "managed=no": "nobody hears the value of streamwarden.io/managed: write",
    "orphan=yes": "nobody hears the value of streamwarden.io/orphan: write",
    "pause-reconcilation=true": f"annotation streamwarden.io/pause-reconcilation: known are {_KNOWN}, ",
    "rotate-credential=a": f"annotation streamwarden.io/rotate-credential: known are {_KNOWN}, ",
}


async def test_who_sets_an_annotation_that_nobody_hears_is_told_at_once_and_nothing_else_is_said(
    bare_side: KubernetesSide, installed: ApiServer
) -> None:
    await bare_side.put(agent(namespace=bare_side.namespace))

    def annotate(annotation: str) -> str:
        """Return what is said of it; ``kubectl`` fails where it is warned."""
        place = ("agentdeployment", "guard", "-n", bare_side.namespace)
        try:
            return installed.kubectl("annotate", *place, "--overwrite", "--warnings-as-errors", annotation)
        except AssertionError as warned:
            return str(warned)

    async with asyncio.timeout(_WAIT_S):  # a new admission policy takes a moment until it counts
        while "Warning" not in await asyncio.to_thread(annotate, "streamwarden.io/no-such=a"):
            await asyncio.to_thread(annotate, "streamwarden.io/no-such-")
    for annotation, words in _UNHEARD.items():
        assert words in await asyncio.to_thread(annotate, f"streamwarden.io/{annotation}"), annotation
    for good in ("streamwarden.io/managed=true", "streamwarden.io/rotate-credentials=a", "a.example/other=x"):
        assert (await asyncio.to_thread(annotate, good)).strip() == "agentdeployment.streamwarden.io/guard annotated"


async def may_read(side: KubernetesSide, secret: str) -> bool:
    try:
        await side.cluster.read_secret(side.namespace, secret)
    except ForbiddenError:
        return False
    return True


async def refusal(side: KubernetesSide, resource: Any) -> str:
    """Return what the API server says to a resource; a new admission policy takes a moment until it counts."""
    async with asyncio.timeout(_WAIT_S):
        while True:
            try:
                await side.put(resource)
            except (InvalidSpecError, ForbiddenError) as error:
                return str(error)
            await side.delete(resource)
