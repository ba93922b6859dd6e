"""N5: commands that are their agent's events again are a warning, at the decision that they are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from streamwarden_cli.local.admission import admit_all
from streamwarden_cli.local.manifests import read_manifests

if TYPE_CHECKING:
    from pathlib import Path

HEAD = {"apiVersion": "streamwarden.io/v1alpha1"}


def contract(name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "risk"}
    return {**HEAD, "kind": "TopicContract", "metadata": metadata, "spec": {"topicName": f"risk.{name}"}}


def agent(
    name: str, reads: str, writes: str, *, types: tuple[str, ...] = (), outcomes: tuple[str, ...] = ()
) -> dict[str, Any]:
    spec = {
        "image": "guard:1",
        "agent": {"entrypoint": "guard:agent"},
        "inputs": [{"name": "events", "topicRef": {"name": reads}, "types": list(types)}],
        "outcomes": [{"name": topic, "topicRef": {"name": topic}} for topic in outcomes],
        "decisions": [{"type": "block", "commandTopicRef": {"name": writes}}],
    }
    return {**HEAD, "kind": "AgentDeployment", "metadata": {"name": name, "namespace": "risk"}, "spec": spec}


@pytest.mark.parametrize(
    ("agents", "looping"),
    [
        pytest.param([agent("guard", "a", "b")], {}, id="none"),
        pytest.param([agent("guard", "a", "a")], {"guard": ""}, id="its-own-command-topic"),
        pytest.param([agent("guard", "a", "a", types=("block",))], {"guard": ""}, id="a-type-that-it-handles"),
        pytest.param([agent("guard", "a", "a", types=("seen",))], {}, id="a-type-that-it-passes-over"),
        pytest.param([agent("guard", "a", "b", outcomes=("b",))], {}, id="outcomes-do-not-count"),
        pytest.param([agent("guard", "a", "b"), agent("clerk", "b", "c")], {}, id="one-after-the-other"),
        pytest.param(
            [agent("guard", "a", "b"), agent("clerk", "b", "a")],
            {"guard": " over clerk", "clerk": " over guard"},
            id="over-two",
        ),
        pytest.param(
            [agent("guard", "a", "b"), agent("clerk", "b", "c"), agent("agent", "c", "a"), agent("aside", "b", "d")],
            {"guard": " over clerk, agent", "clerk": " over agent, guard", "agent": " over guard, clerk"},
            id="over-three-and-nobody-aside",
        ),
        pytest.param(
            [agent("before", "d", "a"), agent("guard", "a", "a")], {"guard": ""}, id="who-leads-into-a-loop-is-in-none"
        ),
    ],
)
def test_commands_that_come_back_are_a_warning(
    tmp_path: Path, agents: list[dict[str, Any]], looping: dict[str, str]
) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump_all([*map(contract, "abcd"), *agents]))
    admission = admit_all(read_manifests(tmp_path), {})
    assert admission.problems == ()
    found = {(each.field, each.message) for each in admission.warnings if each.reason == "Loop"}
    assert found == {
        (
            "spec.decisions[0].commandTopicRef",
            (
                f"commands of 'block' come back to {name} as events{over}: each may bring about the next, without end; "
                "narrow the input's types, or take what came of a command from outcomes"
            ),
        )
        for name, over in looping.items()
    }
