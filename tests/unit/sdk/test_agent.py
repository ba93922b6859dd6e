from __future__ import annotations

from collections.abc import AsyncIterator, Iterator  # noqa: TC003  # read from the annotations at run time

import pytest
import streamwarden
from pydantic import BaseModel
from streamwarden import Agent, AgentDefinitionError, Decision, Event
from streamwarden.testing import event, outcome, run


class Page(BaseModel):
    score: float


def test_everything_promised_can_be_imported() -> None:
    public = {name for name, value in vars(streamwarden).items() if isinstance(value, type)}
    assert sorted(public) == streamwarden.__all__


def test_a_type_has_one_handler() -> None:
    agent = Agent()
    agent.on_event("page.observed")(lambda_free)
    with pytest.raises(
        AgentDefinitionError, match=r"@agent.on_event\('page.observed'\): the type has a handler already"
    ):
        agent.on_event("page.observed")(lambda_free)
    agent.on_outcome("page.observed")(lambda_free)


def lambda_free(_event: Event) -> None:
    return None


def test_the_handler_that_a_type_has_already_is_told_by_its_name() -> None:
    agent = Agent()
    agent.on_event("page.observed")(lambda_free)
    with pytest.raises(AgentDefinitionError, match=rf"has a handler already, {__name__}\.lambda_free$"):
        agent.on_event("page.observed")(one)


def test_a_start_function_that_demands_an_argument_is_refused_where_it_is_written() -> None:
    def load(_path: str) -> None: ...
    def load_default(_path: str = "model.bin") -> None: ...

    with pytest.raises(AgentDefinitionError, match=r"load: a function of on_start is called without arguments"):
        Agent().on_start(load)  # type: ignore[arg-type]  # that is the fault
    agent = Agent()
    agent.on_start(load_default)
    assert agent.start == (load_default,)


def test_the_types_must_be_named() -> None:
    with pytest.raises(AgentDefinitionError, match="name the event types"):
        Agent().on_event()
    with pytest.raises(AgentDefinitionError, match="name the event types"):
        Agent().on_event(lambda_free)  # type: ignore[arg-type]  # the decorator without parentheses


def no_parameters() -> None: ...
def too_many(_page: Page, _event: Event, _more: int) -> None: ...
def keyword_only(*, _page: Page) -> None: ...
def unannotated(_page) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001  # that is the fault
def wrong_payload(_page: int) -> None: ...
def wrong_event(_page: Page, _event: dict[str, object]) -> None: ...
def unknown_name(_page: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821  # that is the fault


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        pytest.param(no_parameters, "takes the payload", id="no-parameters"),
        pytest.param(too_many, "takes the payload", id="too-many-parameters"),
        pytest.param(keyword_only, "takes the payload", id="keyword-only"),
        pytest.param(unannotated, "annotate the first parameter '_page'", id="no-annotation"),
        pytest.param(wrong_payload, "annotate the first parameter '_page'", id="not-a-model"),
        pytest.param(wrong_event, "second parameter '_event' is the Event", id="second-is-no-event"),
        pytest.param(unknown_name, "annotations cannot be read", id="unknown-name"),
    ],
)
def test_a_signature_that_cannot_be_called_is_refused_where_it_is_written(handler: object, message: str) -> None:
    with pytest.raises(AgentDefinitionError, match=message):
        Agent().on_event("page.observed")(handler)  # type: ignore[type-var]  # likewise


async def one_async(page: Page) -> Decision:
    return Decision("block-page", parameters={"score": page.score})


def one(data: dict[str, object], event: Event) -> Decision:
    return Decision("block-page", entity=event.subject, parameters=data)


def listed(event: Event) -> list[Decision]:
    assert isinstance(event.data, dict)
    return [Decision("block-page", parameters=event.data)]


def generated(page: Page) -> Iterator[Decision]:
    yield Decision("block-page", parameters={"score": page.score})


async def generated_async(page: Page) -> AsyncIterator[Decision]:
    yield Decision("block-page", parameters={"score": page.score})


@pytest.mark.parametrize("handler", [one_async, one, listed, generated, generated_async])
def test_handlers_of_every_shape_return_decisions(handler: object) -> None:
    agent = Agent()
    agent.on_event("page.observed")(handler)  # type: ignore[type-var]  # every shape is the point
    [decision] = run(agent, [event("page.observed", "page-0001", data={"score": 0.5})]).decisions
    assert (decision.type, decision.entity, decision.parameters) == ("block-page", "page-0001", {"score": 0.5})


def test_an_event_carries_its_attributes_and_its_place() -> None:
    agent, seen = Agent(), list[Event]()

    @agent.on_event("page.observed")
    def handle(event: Event) -> None:
        seen.append(event)

    run(agent, [event("page.observed", "page-0001", data={"a": 1}, id="e1", correlationid="c1", hops=3)])
    [found] = seen
    assert (found.id, found.type, found.subject, found.entity) == ("e1", "page.observed", "page-0001", "page-0001")
    assert (found.correlationid, found.hops, found.data, found.key) == ("c1", 3, {"a": 1}, b"page-0001")
    assert (found.topic, found.partition, found.offset) == ("test.events", 0, 0)


def test_events_and_outcomes_of_one_type_have_handlers_of_their_own_and_others_are_passed_over() -> None:
    agent, seen = Agent(), list[str]()

    @agent.on_event("page.blocked")
    def as_event(_event: Event) -> None:
        seen.append("event")

    @agent.on_outcome("page.blocked")
    def as_outcome(_event: Event) -> None:
        seen.append("outcome")

    result = run(
        agent, [outcome("page.blocked", "p", data={}), event("page.blocked", "p", data={}), event("other", "p")]
    )
    assert seen == ["outcome", "event"]
    assert result.failures == []


def test_a_replay_rebuilds_memory_and_drops_its_decisions() -> None:
    agent, labels, calls = Agent(), list[int](), list[str]()

    @agent.on_start
    async def begin() -> None:
        calls.append("start")

    @agent.on_event("page.labelled", replay=True)
    def learn(label: dict[str, int]) -> Decision:
        labels.append(label["n"])
        return Decision("block-page")

    @agent.on_event("page.observed")
    def judge(_page: Event) -> None:
        calls.append("judge")

    past = [event("page.labelled", "p", data={"n": 1}), event("page.observed", "p", data={})]
    result = run(agent, [event("page.labelled", "p", data={"n": 2})], replay=past)
    assert labels == [1, 2]
    assert calls == ["start"]
    assert len(result.decisions) == 1
