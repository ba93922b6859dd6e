"""What ``streamwarden gate skip`` asks of an API server: the agent's requests, and nothing else of it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from aiohttp import web
from streamwarden_cli.skips.asking import SkipError
from streamwarden_cli.skips.places import ClusterPlace
from streamwarden_contract.models.skip import SkipRequest
from support.operator_harness import agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ASKED = SkipRequest(
    topic_id="an-id",
    partition=0,
    from_offset=3,
    to_offset=4,
    seen_end_offset=9,
    reason="broken",
    requested_by="ada",
)
PATH = "/apis/streamwarden.io/v1alpha1/namespaces/risk/agentdeployments/guard"


class Server:
    """Has one agent, and keeps what it was sent."""

    def __init__(self) -> None:
        self.agent: dict[str, Any] = agent().model_dump(mode="json", by_alias=True)
        self.patches: list[tuple[dict[str, str], str, Any]] = []

    async def answer(self, request: web.Request) -> web.Response:
        if request.path != PATH:
            return web.json_response({"kind": "Status", "message": "no such thing"}, status=404)
        if request.method == "PATCH":
            self.patches.append((dict(request.query), request.content_type, json.loads(await request.text())))
        return web.json_response(self.agent)


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    made, app = Server(), web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    context = {"name": "it", "context": {"cluster": "it", "user": "me"}}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [context],
        "clusters": [{"name": "it", "cluster": {"server": site.name}}],
        "users": [{"name": "me", "user": {"token": "mine"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    yield made
    await runner.cleanup()


async def test_it_applies_the_requests_alone_as_a_manager_of_its_own(server: Server) -> None:
    await asyncio.to_thread(ClusterPlace("", "risk", "guard").write, [ASKED])
    [(query, content_type, body)] = server.patches
    assert query == {"fieldManager": "streamwarden-skip", "force": "true"}
    assert content_type == "application/apply-patch+yaml"
    assert body == {
        "apiVersion": "streamwarden.io/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"namespace": "risk", "name": "guard"},
        "spec": {"skips": [ASKED.model_dump(mode="json", by_alias=True)]},
    }


@pytest.mark.slow
async def test_it_reads_what_is_asked_already(server: Server) -> None:
    place = ClusterPlace("", "risk", "guard")
    assert await asyncio.to_thread(place.read) == ()
    server.agent["spec"]["skips"] = [ASKED.model_dump(mode="json", by_alias=True)]
    assert await asyncio.to_thread(place.read) == (ASKED,)


async def test_an_agent_that_is_not_there_or_not_understood_is_said(server: Server) -> None:
    with pytest.raises(SkipError, match=r"^there is no AgentDeployment risk/nobody$"):
        await asyncio.to_thread(ClusterPlace("", "risk", "nobody").read)
    server.agent["spec"]["ofLater"] = True
    with pytest.raises(SkipError, match=r"^this version cannot read the AgentDeployment risk/guard$"):
        await asyncio.to_thread(ClusterPlace("", "risk", "guard").read)
