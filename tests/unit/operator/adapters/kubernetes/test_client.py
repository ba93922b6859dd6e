"""How the client speaks, and what it makes of answers that a healthy API server does not give."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from kubernetes.aio.client import Configuration
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.adapters.kubernetes.client import NO_ANSWER, KubernetesClient
from streamwarden_operator.adapters.kubernetes.resource_types import CONFIG_MAP, DEPLOYMENT, SECRET, ResourceType
from streamwarden_operator.errors import ConflictError, ForbiddenError, InvalidSpecError, KubernetesUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from streamwarden_operator.errors import OperatorError

SAID = "the words of the server"


class Server:
    """Answers everything alike."""

    def __init__(self) -> None:
        self.status, self.headers, self.hangs = 200, dict[str, str](), False
        self.page = b""
        self.asked = 0
        self.url = ""

    async def answer(self, _request: web.Request) -> web.Response:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.page:
            return web.Response(body=self.page, content_type="text/html")
        body = {"kind": "Status", "message": SAID, "reason": "Whatever"}
        return web.json_response(body, status=self.status, headers=self.headers)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def configuration_of(server: Server) -> Configuration:
    configuration = Configuration()
    configuration.host = server.url
    return configuration


@pytest.fixture
async def client(server: Server) -> AsyncIterator[KubernetesClient]:
    """One with more patience than an answer takes on a busy machine."""
    made = KubernetesClient(configuration_of(server), timeout_s=30)
    yield made
    await made.close()


@pytest.fixture
async def impatient(server: Server) -> AsyncIterator[KubernetesClient]:
    made = KubernetesClient(configuration_of(server), timeout_s=0.2)
    yield made
    await made.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        pytest.param(400, InvalidSpecError, ConditionReason.INVALID_SPEC, id="a-bad-request"),
        pytest.param(401, KubernetesUnavailableError, ConditionReason.KUBERNETES_UNAVAILABLE, id="no-credentials"),
        pytest.param(403, ForbiddenError, ConditionReason.FORBIDDEN, id="F16-forbidden"),
        pytest.param(409, ConflictError, ConditionReason.PENDING, id="F5-a-conflict"),
        pytest.param(422, InvalidSpecError, ConditionReason.INVALID_SPEC, id="an-object-that-is-refused"),
        pytest.param(429, KubernetesUnavailableError, ConditionReason.KUBERNETES_UNAVAILABLE, id="F6-too-many"),
        pytest.param(500, KubernetesUnavailableError, ConditionReason.KUBERNETES_UNAVAILABLE, id="F7-an-error"),
        pytest.param(503, KubernetesUnavailableError, ConditionReason.KUBERNETES_UNAVAILABLE, id="F7-no-service"),
    ],
)
async def test_a_refusal_becomes_our_error(
    server: Server, client: KubernetesClient, status: int, kind: type[OperatorError], reason: ConditionReason
) -> None:
    server.status = status
    with pytest.raises(kind) as refused:
        await client.get(DEPLOYMENT, "risk", "guard")
    assert type(refused.value) is kind
    assert refused.value.reason is reason
    assert "get deployments.apps 'guard' in namespace 'risk'" in str(refused.value)
    assert SAID in str(refused.value)


@pytest.mark.parametrize(
    "page",
    [pytest.param(b"<html>Sign in</html>", id="no-json"), pytest.param(b"\xff\xfe{", id="no-text")],
)
async def test_a_page_of_a_proxy_in_place_of_an_answer_is_an_outage(
    server: Server, client: KubernetesClient, page: bytes
) -> None:
    server.page = page
    with pytest.raises(KubernetesUnavailableError, match=r"could not get secrets .*: the answer is no JSON$"):
        await client.get(SECRET, "risk", "guard")


async def test_what_is_not_there_is_none(server: Server, client: KubernetesClient) -> None:
    server.status = 404
    assert await client.get(CONFIG_MAP, "risk", "guard") is None


async def test_what_the_server_says_of_a_secret_is_not_repeated(server: Server, client: KubernetesClient) -> None:
    server.status = 422
    with pytest.raises(InvalidSpecError) as refused:
        await client.get(SECRET, "risk", "guard")
    assert SAID not in str(refused.value)
    assert "Whatever" in str(refused.value)


@pytest.mark.slow
async def test_a_server_that_does_not_answer_is_an_outage_in_time(server: Server, impatient: KubernetesClient) -> None:
    server.hangs = True
    with pytest.raises(KubernetesUnavailableError, match=r"could not get deployments.apps .*: no answer within 0.2 s"):
        await impatient.get(DEPLOYMENT, "risk", "guard")


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    configuration = Configuration()
    configuration.host = "http://127.0.0.1:9"
    client = KubernetesClient(configuration, timeout_s=0.2)
    with pytest.raises(KubernetesUnavailableError, match="could not get deployments"):
        await client.get(DEPLOYMENT, "risk", "guard")
    await client.close()


async def test_f6_a_server_that_asks_for_patience_is_left_alone(server: Server, client: KubernetesClient) -> None:
    server.status, server.headers = 429, {"Retry-After": "30"}
    for _ in range(3):
        with pytest.raises(KubernetesUnavailableError):
            await client.get(DEPLOYMENT, "risk", "guard")
    assert server.asked == 1
    with pytest.raises(KubernetesUnavailableError, match=r"the API server is busy for (29|30) s more"):
        await client.get(DEPLOYMENT, "fraud", "scorer")


async def test_x99_what_a_server_asks_no_patience_for_goes_on(server: Server, client: KubernetesClient) -> None:
    server.status, server.headers = 429, {"Retry-After": "30"}
    with pytest.raises(KubernetesUnavailableError):
        await client.get(DEPLOYMENT, "risk", "guard")
    server.status, server.headers = 200, {}
    await client.get(CONFIG_MAP, "risk", "guard")
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "risk", "name": "guard"}}
    await client.apply(DEPLOYMENT, manifest)
    assert server.asked == 3
    with pytest.raises(KubernetesUnavailableError, match="the API server is busy"):
        await client.get(DEPLOYMENT, "risk", "guard")


async def test_requests_are_counted_by_verb_and_resource(server: Server, client: KubernetesClient) -> None:
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "risk", "name": "guard"}}
    await client.get(DEPLOYMENT, "risk", "guard")
    await client.apply(DEPLOYMENT, manifest)
    await client.apply(DEPLOYMENT, manifest, subresource="status")
    await client.create(DEPLOYMENT, manifest)
    assert client.requests == {
        ("get", "deployments.apps"): 1,
        ("patch", "deployments.apps"): 1,
        ("patch", "deployments.apps/status"): 1,
        ("create", "deployments.apps"): 1,
    }
    assert server.asked == client.requests.total()


async def test_each_answer_is_told_with_its_status_and_time(
    server: Server, client: KubernetesClient, impatient: KubernetesClient
) -> None:
    told = list[tuple[str, str, str, float]]()
    client.on_answer = impatient.on_answer = lambda *answered: told.append(answered)
    await client.get(DEPLOYMENT, "risk", "guard")
    for server.status in (404, 500):
        with contextlib.suppress(KubernetesUnavailableError):
            await client.get(CONFIG_MAP, "risk", "guard")
    server.hangs = True
    with pytest.raises(KubernetesUnavailableError):
        await impatient.get(DEPLOYMENT, "risk", "guard")
    assert [answered[:3] for answered in told] == [
        ("get", "deployments.apps", "200"),
        ("get", "configmaps", "404"),
        ("get", "configmaps", "500"),
        ("get", "deployments.apps", NO_ANSWER),
    ]
    assert all(0 <= duration_s < 30 for *_, duration_s in told)


@pytest.mark.parametrize(
    ("resource", "arguments", "expected"),
    [
        pytest.param(CONFIG_MAP, ("risk", "a"), "/api/v1/namespaces/risk/configmaps/a", id="the-core-group"),
        pytest.param(
            DEPLOYMENT, ("risk", "a", "scale"), "/apis/apps/v1/namespaces/risk/deployments/a/scale", id="a-subresource"
        ),
        pytest.param(DEPLOYMENT, (None,), "/apis/apps/v1/deployments", id="everywhere"),
        pytest.param(
            CONFIG_MAP, ("risk", "../x"), "/api/v1/namespaces/risk/configmaps/..%2Fx", id="a-name-is-one-step"
        ),
    ],
)
def test_paths(resource: ResourceType, arguments: tuple[str, ...], expected: str) -> None:
    assert resource.path(*arguments) == expected


async def test_a_login_in_somebodys_netrc_is_not_looked_for_and_breaks_none_of_ours(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    configuration = configuration_of(server)
    configuration.api_key = {"BearerToken": "Bearer ours"}
    client = KubernetesClient(configuration, timeout_s=10)
    try:
        found = await client.get(CONFIG_MAP, "risk", "x")
        assert (found and found["message"], server.asked) == (SAID, 1)
    finally:
        await client.close()
