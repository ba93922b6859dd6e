"""The test helper says what was not handled, and makes every event that a topic may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden import Agent, Decision, Event
from streamwarden.testing import event, outcome, run, tombstone

if TYPE_CHECKING:
    from streamwarden.testing import GivenEvent


def stock_agent() -> Agent:
    """Make an agent that reads counts, and deletions of items only as events."""
    agent = Agent()

    @agent.on_event("stock.counted")
    def count(_data: dict[str, object]) -> None:
        """Want data."""

    @agent.on_event("stock.item")
    def item(event: Event) -> Decision:
        return Decision("forget" if event.data is None else "keep")

    @agent.on_outcome("order.rejected")
    def rejected(_event: Event) -> None:
        """Decide nothing."""

    return agent


@pytest.mark.parametrize(
    ("given", "is_passed_over"),
    [
        pytest.param(event("stock.counted", "a", data={}), False, id="handled-without-a-decision"),
        pytest.param(event("stock.counted", "a", raw=b"{"), False, id="given-up"),
        pytest.param(event("stock.count", "a", data={}), True, id="a-misspelt-type"),
        pytest.param(tombstone("stock.counted", "a"), True, id="a-tombstone-that-its-handler-does-not-take"),
        pytest.param(tombstone("stock.item", "a"), False, id="a-tombstone-that-its-handler-takes"),
        pytest.param(outcome("order.rejected", "a"), False, id="an-outcome"),
        pytest.param(outcome("stock.counted", "a", data={}), True, id="an-outcome-whose-handler-is-one-of-inputs"),
    ],
)
def test_events_that_no_handler_was_called_with_are_told(given: GivenEvent, *, is_passed_over: bool) -> None:
    known = event("stock.item", "b", data=1)
    result = run(stock_agent(), [known, given])
    assert result.passed_over == ([given] if is_passed_over else [])


def test_a_tombstone_has_no_value_and_null_is_one() -> None:
    items = [tombstone("stock.item", "a"), event("stock.item", "b", data=None)]
    assert [(given.value, given.key) for given in items] == [(None, b"a"), (b"null", b"b")]
    result = run(stock_agent(), items)
    assert [(each.type, each.entity) for each in result.decisions] == [("forget", "a"), ("forget", "b")]
    assert [each.record.value for each in result.handled] == [None, b"null"]
