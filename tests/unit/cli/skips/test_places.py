"""What ``streamwarden gate skip`` asks of an API server: the agent's requests, and nothing else of it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from aiohttp import web
from streamwarden_cli.skips.asking import Known, SkipError
from streamwarden_cli.skips.owners import SkipKey
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
        self.agent["metadata"]["resourceVersion"] = "7"
        self.patches: list[tuple[dict[str, str], str, Any]] = []
        self.written_meanwhile = 0
        """So often the agent gets a new version before a patch arrives."""

    async def answer(self, request: web.Request) -> web.Response:
        if request.path != PATH:
            return web.json_response({"kind": "Status", "message": "no such thing"}, status=404)
        if request.method == "PATCH":
            body = json.loads(await request.text())
            self.patches.append((dict(request.query), request.content_type, body))
            if self.written_meanwhile:
                self.written_meanwhile -= 1
                self.agent["metadata"]["resourceVersion"] += "0"
            if body["metadata"]["resourceVersion"] != self.agent["metadata"]["resourceVersion"]:
                return web.json_response({"kind": "Status", "message": "it was modified"}, status=409)
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


def owned(manager: str, operation: str, *requests: SkipRequest) -> dict[str, Any]:
    keys = [{"fromOffset": each.from_offset, "partition": each.partition, "topicId": "an-id"} for each in requests]
    skips: dict[str, Any] = {f"k:{json.dumps(key)}": {".": {}, "f:reason": {}} for key in keys}
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {"f:image": {}, "f:skips": skips}}}


@pytest.mark.slow
async def test_it_applies_the_requests_alone_and_takes_nothing_from_others(server: Server) -> None:
    await asyncio.to_thread(ClusterPlace("", "risk", "guard").change, lambda _: [ASKED])
    [(query, content_type, body)] = server.patches
    assert query == {"fieldManager": "streamwarden-skip", "force": "false"}
    assert content_type == "application/apply-patch+yaml"
    assert body == {
        "apiVersion": "streamwarden.io/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"namespace": "risk", "name": "guard", "resourceVersion": "7"},
        "spec": {"skips": [ASKED.model_dump(mode="json", by_alias=True)]},
    }


@pytest.mark.slow
async def test_it_reads_who_asked_for_what(server: Server) -> None:
    place = ClusterPlace("", "risk", "guard")
    assert await asyncio.to_thread(place.read) == Known((), {})
    three = [ASKED.model_copy(update={"from_offset": offset}) for offset in (1, 2, 3)]
    server.agent["spec"]["skips"] = [each.model_dump(mode="json", by_alias=True) for each in three]
    server.agent["metadata"]["managedFields"] = [
        owned("kustomize", "Apply", *three[:1]),
        owned("streamwarden-skip", "Apply", *three[1:2]),
        {"manager": "streamwarden-operator", "operation": "Apply", "fieldsV1": {"f:status": {}}},
    ]
    others = {
        SkipKey("an-id", 0, 1): "written by kustomize",
        SkipKey("an-id", 0, 3): "written by an unknown manager",
    }
    assert await asyncio.to_thread(place.read) == Known((three[1],), others)


@pytest.mark.slow
async def test_it_reads_anew_where_the_agent_was_written_meanwhile_and_not_for_ever(server: Server) -> None:
    place, seen = ClusterPlace("", "risk", "guard"), list[Known]()
    server.written_meanwhile = 2

    def change(known: Known) -> list[SkipRequest]:
        seen.append(known)
        return [ASKED]

    await asyncio.to_thread(place.change, change)
    versions = [body["metadata"]["resourceVersion"] for _, _, body in server.patches]
    assert (len(seen), versions) == (3, ["7", "70", "700"])
    server.written_meanwhile = 100
    with pytest.raises(SkipError, match="it was modified"):
        await asyncio.to_thread(place.change, lambda _: [ASKED])
    assert len(server.patches) == 3 + 5


@pytest.mark.slow
async def test_an_agent_that_is_not_there_or_not_understood_is_said(server: Server) -> None:
    with pytest.raises(SkipError, match=r"^there is no AgentDeployment risk/nobody$"):
        await asyncio.to_thread(ClusterPlace("", "risk", "nobody").read)
    server.agent["spec"]["ofLater"] = True
    with pytest.raises(SkipError, match=r"^this version cannot read the AgentDeployment risk/guard$"):
        await asyncio.to_thread(ClusterPlace("", "risk", "guard").read)
