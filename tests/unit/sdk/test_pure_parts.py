from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog
from streamwarden import Agent, AgentDefinitionError, Event
from streamwarden.core.batching import MAX_BATCH_RECORDS, BatchSize
from streamwarden.core.positions import Positions
from streamwarden.core.records import Partition, Record
from streamwarden.core.retries import Backoff
from streamwarden.core.routing import Routes
from streamwarden.runtime.__main__ import main
from streamwarden.runtime.errors import ConfigurationError
from streamwarden.runtime.settings import Startup, load_agent, read_connection, read_startup
from streamwarden_contract.models.agent_deployment import Retry
from streamwarden_contract.runtime_config import AgentConfig, SourceTopic
from streamwarden_kafka.connection import Connection

if TYPE_CHECKING:
    from pathlib import Path

A, B = Partition("t", 0), Partition("t", 1)


def test_positions_name_what_the_group_does_not_know_yet() -> None:
    positions = Positions()
    positions.reset({A: 5, B: None})
    assert positions.uncommitted() == {}
    positions.pass_records([Record("t", 0, 5, 0, None, None, ()), Record("t", 0, 6, 0, None, None, ())])
    positions.reach(B, 0)
    assert positions.uncommitted() == {A: 7, B: 0}
    positions.mark_committed({A: 7, B: 0})
    assert positions.uncommitted() == {}
    positions.reach(A, 9)
    assert positions.uncommitted() == {A: 9}
    assert positions.current() == {A: 9, B: 0}


def test_positions_never_go_back_and_leave_others_partitions_alone() -> None:
    positions = Positions()
    positions.reset({A: 5})
    positions.reach(A, 3)
    positions.reach(B, 3)
    assert positions.uncommitted() == {}


def test_batches_grow_with_the_backlog_and_shrink_for_slow_handlers() -> None:
    size = BatchSize(100)
    assert size.after(records=100, seconds=0.1) == BatchSize(200)
    assert size.after(records=40, seconds=0.1) == size
    assert size.after(records=40, seconds=5) == BatchSize(20)
    assert BatchSize(1).after(records=1, seconds=5) == BatchSize(1)
    assert BatchSize(MAX_BATCH_RECORDS).after(records=MAX_BATCH_RECORDS, seconds=0) == BatchSize(MAX_BATCH_RECORDS)


def test_waits_grow_to_their_cap_and_end_with_the_last_attempt() -> None:
    backoff = Backoff.of(Retry(max_attempts=100))
    assert [backoff.wait_s(n) for n in (1, 2, 3, 7, 99, 100)] == [1, 2, 4, 60, 60, None]


def handle(_event: Event) -> None:
    return None


def routes(agent: Agent, *sources: SourceTopic) -> Routes:
    return Routes(agent, sources or [SourceTopic(name="pages", topic="t", types=("page.observed", "page.seen"))])


def test_types_that_nobody_handles_are_told_and_only_replayed_topics_are_replayed() -> None:
    agent = Agent()
    agent.on_event("page.observed", replay=True)(handle)
    found = routes(
        agent,
        SourceTopic(name="pages", topic="t", types=("page.observed", "page.seen")),
        SourceTopic(name="others", topic="u", types=("page.seen",)),
    )
    assert found.check() == ["others/page.seen", "pages/page.seen"]
    assert found.topics == ["t", "u"]
    assert found.replayed_topics == frozenset({"t"})


def test_an_agent_that_could_never_be_called_does_not_start() -> None:
    with pytest.raises(AgentDefinitionError, match="no handler"):
        routes(Agent()).check()
    agent = Agent()
    agent.on_event("page.closed")(handle)
    with pytest.raises(AgentDefinitionError, match=r"inputs bring page.observed, page.seen"):
        routes(agent).check()
    agent = Agent()
    agent.on_outcome("page.blocked")(handle)
    with pytest.raises(AgentDefinitionError, match="outcomes bring nothing"):
        routes(agent).check()


def test_properties_are_read_and_a_bad_line_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("# a comment\n\nbootstrap.servers=a:1\nsasl.password = a=b \n")
    assert read_connection(tmp_path) == Connection("a:1", password="a=b")
    file.write_text("a=b\nsecret\n")
    with pytest.raises(ConfigurationError, match=r"line 2: write name=value") as caught:
        read_connection(tmp_path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("entrypoint", "message"),
    [
        pytest.param("no_such_module:agent", "there is no module 'no_such_module'", id="no-module"),
        pytest.param("json.no_such:agent", "there is no module 'json.no_such'", id="no-submodule"),
        pytest.param("json:agent", "module 'json' has no 'agent'; write 'agent = Agent", id="no-object"),
        pytest.param("json:dumps", "is a function, not a streamwarden.Agent", id="no-agent"),
    ],
)
def test_a_wrong_entrypoint_says_what_is_missing(entrypoint: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_agent(entrypoint)


def test_a_start_without_settings_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "CREDENTIALS", "POD"):
        monkeypatch.delenv(f"STREAMWARDEN_{name}", raising=False)
    with pytest.raises(ConfigurationError, match="set STREAMWARDEN_CONFIG, STREAMWARDEN_CREDENTIALS, STREAMWARDEN_POD"):
        read_startup()


CONFIG = AgentConfig(
    namespace="n",
    agent="a",
    uid="u",
    entrypoint="x:y",
    decision_topic="d",
    decision_types=(),
    sources=(SourceTopic(name="s", topic="t"),),
)


def test_an_agent_that_cannot_start_leaves_word_of_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CONFIG", "CREDENTIALS", "POD"):
        monkeypatch.delenv(f"STREAMWARDEN_{name}", raising=False)
    words = tmp_path / "last-words"
    monkeypatch.setenv("STREAMWARDEN_LAST_WORDS", str(words))
    try:
        assert main() == 2
    finally:
        structlog.reset_defaults()
    assert words.read_text().startswith("set STREAMWARDEN_CONFIG")


def test_no_password_shows_where_startup_is_printed() -> None:
    assert "hunter2" not in repr(Startup(CONFIG, "pod", Connection("a:1", password="hunter2")))


def test_a_ready_file_is_that_of_this_process(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    startup = Startup(CONFIG, "pod", Connection("a:1"), file)
    startup.mark_ready()
    assert file.exists()
    startup.mark_starting()
    assert not file.exists()
    startup.mark_starting()
    Startup(CONFIG, "pod", Connection("a:1")).mark_starting()
