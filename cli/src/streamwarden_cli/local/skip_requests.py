"""What people have asked gates of a running ``dev`` to pass over: files beside what the manifests say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.models.skip import SkipRequest

from streamwarden_cli.local.state import write_private_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamwarden_contract.models.base import Kind

    from streamwarden_cli.local.state import StateFolder


def read_requests(state: StateFolder, namespace: str, agent: str) -> tuple[SkipRequest, ...]:
    """Return what was asked for an agent."""
    file = state.skip_requests(namespace, agent)
    if not file.is_file():
        return ()
    return tuple(SkipRequest.model_validate(each) for each in json.loads(file.read_text("utf-8")))


def write_requests(state: StateFolder, namespace: str, agent: str, requests: Sequence[SkipRequest]) -> None:
    """Ask for these; ``dev`` takes them over at once."""
    values = [request.model_dump(mode="json", by_alias=True) for request in requests]
    write_private_json(state.skip_requests(namespace, agent), values)


def with_requests(resources: Iterable[Kind], state: StateFolder) -> list[Kind]:
    """Add what was asked for to the agents, as a patch of a cluster's resources would."""
    return [_added(each, state) if isinstance(each, AgentDeployment) else each for each in resources]


def _added(agent: AgentDeployment, state: StateFolder) -> AgentDeployment:
    asked = read_requests(state, agent.metadata.namespace, agent.metadata.name)
    if not asked:
        return agent
    by_place = {(each.topic_id, each.partition, each.from_offset): each for each in (*agent.spec.skips, *asked)}
    return agent.model_copy(update={"spec": agent.spec.model_copy(update={"skips": tuple(by_place.values())})})
