from __future__ import annotations

import pytest
from streamwarden import Agent, AgentDefinitionError, Event
from streamwarden.core.routing import Routes
from streamwarden_contract.runtime_config import SourceTopic


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


def test_ids_are_read_back_only_of_topics_that_bring_a_type_that_is_deduplicated() -> None:
    agent = Agent()
    agent.on_event("page.observed", deduplicate=True)(handle)
    agent.on_event("page.seen")(handle)
    found = routes(
        agent,
        SourceTopic(name="pages", topic="t", types=("page.observed", "page.seen")),
        SourceTopic(name="others", topic="u", types=("page.seen",)),
        SourceTopic(name="anything", topic="v"),
        SourceTopic(name="outcomes", topic="w", outcome=True),
    )
    assert found.deduplicated_topics == frozenset({"t", "v"})
    assert found.replayed_topics == frozenset()


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
