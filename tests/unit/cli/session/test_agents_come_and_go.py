"""What an agent has done stays counted when its manifest goes, and is counted once when it comes back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.session.progress import EVERY_S, Progress
from streamwarden_cli.session.recorder import Recorder
from streamwarden_cli.session.roles import AgentTopics, TopicRoles
from streamwarden_cli.session.screen import AgentRow
from streamwarden_contract import canonical
from streamwarden_contract.names import AgentNames, InstallationNames
from streamwarden_kafka.connection import Connection
from support.agent_process import wait_for
from support.cli_figures import audited
from support.gate_decisions import headers_for
from support.mock_broker import mock_broker
from support.raw_records import RawRecord, RawWriter, batch_of

if TYPE_CHECKING:
    from pathlib import Path

    from streamwarden_cli.session.tally import Tally

GUARD = AgentTopics(AgentNames("risk", "guard"))
PAGES, BLOCKS, AUDIT = "risk.pages", "risk.blocks", GUARD.names.shared.audit
WITH_IT = TopicRoles(
    agents=(GUARD,),
    events=frozenset({PAGES}),
    commands=frozenset({BLOCKS}),
    audits=frozenset({AUDIT}),
    decisions={GUARD.names.decisions: GUARD},
)
WITHOUT = TopicRoles()


def row(agent: str, decisions: int) -> AgentRow:
    return AgentRow(agent, ready=True, state="Ready", decisions=decisions)


def test_sums_lose_nothing_of_an_agent_that_goes_and_count_it_once_when_it_comes_back() -> None:
    progress, said = Progress(), list[str]()
    for turn, rows in enumerate(
        [
            [row("risk/a", 5), row("risk/b", 2)],
            [row("risk/a", 5), row("risk/b", 3)],
            [row("risk/b", 4)],
            [row("risk/a", 6), row("risk/b", 4)],
        ]
    ):
        said += progress.news(rows, turn * EVERY_S)
    assert [line.split(" decisions")[0] for line in said] == ["so far 8", "so far 9", "so far 10"]


def test_topics_keep_the_role_that_they_had_last() -> None:
    assert WITHOUT.after(WITH_IT) == TopicRoles(
        events=WITH_IT.events, commands=WITH_IT.commands, audits=WITH_IT.audits, decisions=WITH_IT.decisions
    )
    assert WITH_IT.after(WITHOUT) == WITH_IT
    other = TopicRoles(commands=frozenset({PAGES}), outcomes=frozenset({BLOCKS}))
    assert other.after(WITH_IT) == TopicRoles(
        commands=other.commands, outcomes=other.outcomes, audits=WITH_IT.audits, decisions=WITH_IT.decisions
    )


@pytest.mark.slow
def test_what_is_read_while_the_manifest_is_gone_is_counted_and_nothing_twice(tmp_path: Path) -> None:
    def counts(tally: Tally) -> tuple[int, int, int, int]:
        agent = tally.agents.get(GUARD.label)
        return tally.events, tally.commands, agent.decisions if agent else 0, agent.commands if agent else 0

    with mock_broker(PAGES, BLOCKS, AUDIT, GUARD.names.decisions) as properties, RawWriter(properties) as writer:

        def flow(number: int) -> None:
            verdict = canonical.encode(audited(command=f"d-{number}"))
            command = RawRecord(b"e1", b"{}", [(name.encode(), value) for name, value in headers_for(number)])
            for topic, record in (
                (PAGES, RawRecord(b"e1", b"{}")),
                (AUDIT, RawRecord(b"k", verdict)),
                (BLOCKS, command),
            ):
                assert writer.write(topic, 0, batch_of([record])).code == 0

        def has_counted(all_of: int) -> bool:
            return reader.look(counts) == (all_of,) * 4

        reader = Recorder(Connection.of(properties), InstallationNames(), tmp_path / "decisions")
        reader.start()
        try:
            for number, roles in enumerate((WITH_IT, WITHOUT, WITH_IT), start=1):
                reader.watch(roles)
                flow(number)
                wait_for(partial(has_counted, number), seconds=30)
        finally:
            reader.stop()
    assert reader.failed == ""
