"""What was asked of gates of a running ``dev`` is part of its agents, as a patch would be in a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_cli.local.skip_requests import read_requests, with_requests, write_requests
from streamwarden_cli.local.state import StateFolder
from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.models.skip import SkipRequest
from support.operator_harness import agent, contract

if TYPE_CHECKING:
    from pathlib import Path


def request(first: int, reason: str = "broken") -> SkipRequest:
    return SkipRequest(
        topic_id="an-id",
        partition=0,
        from_offset=first,
        to_offset=first + 1,
        seen_end_offset=9,
        reason=reason,
        requested_by="ada",
    )


def skips_of(resource: object) -> tuple[SkipRequest, ...]:
    assert isinstance(resource, AgentDeployment)
    return resource.spec.skips


def test_requests_are_added_to_what_the_manifest_says(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    said = agent()
    said = said.model_copy(update={"spec": said.spec.model_copy(update={"skips": (request(1), request(2))})})
    write_requests(state, "risk", "guard", [request(2, "written anew"), request(3)])

    [pages, guard, other] = with_requests([contract("pages"), said, agent("other")], state)

    assert pages == contract("pages")
    assert skips_of(guard) == (request(1), request(2, "written anew"), request(3))
    assert skips_of(other) == ()


def test_only_its_owner_reads_them_and_a_new_run_has_none(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    assert read_requests(state, "risk", "guard") == ()
    write_requests(state, "risk", "guard", [request(1)])
    assert read_requests(state, "risk", "guard") == (request(1),)
    assert state.skip_requests("risk", "guard").stat().st_mode & 0o777 == 0o600
    with state.locked():
        state.prepare()
    assert read_requests(state, "risk", "guard") == ()
