"""Whose program has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_cli.dev.agents_code import AgentsCode
from support.manifests import agent

if TYPE_CHECKING:
    from pathlib import Path


def test_x29_the_agents_whose_program_a_file_is_or_was_are_found(tmp_path: Path) -> None:
    guard = agent(name="guard", agent={"entrypoint": "guard:agent"})
    blocker = agent(name="blocker", agent={"entrypoint": "blocker:agent"})
    (tmp_path / "guard.py").write_text("import scores\n")
    (tmp_path / "blocker.py").write_text("")
    (tmp_path / "scores.py").write_text("")
    code = AgentsCode(tmp_path)
    code.note([guard, blocker])

    def whose(name: str) -> list[str]:
        return [found.metadata.name for found in code.changed([guard, blocker], frozenset({tmp_path / name}))]

    assert whose("scores.py") == ["guard"]
    assert whose("producer.py") == []
    (tmp_path / "guard.py").write_text("")
    assert whose("guard.py") == ["guard"]
    assert whose("scores.py") == []
    (tmp_path / "blocker.py").unlink()
    assert whose("blocker.py") == ["blocker"]


def test_x29_an_agent_that_is_new_is_known_by_its_files_now(tmp_path: Path) -> None:
    (tmp_path / "guard.py").write_text("")
    code = AgentsCode(tmp_path)
    guard = agent(agent={"entrypoint": "guard:agent"})

    assert code.changed([guard], frozenset({tmp_path / "guard.py"})) == [guard]
