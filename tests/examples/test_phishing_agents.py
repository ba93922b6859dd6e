from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from streamwarden.testing import GivenEvent, event, outcome, run

Load = Callable[[str], ModuleType]


@pytest.fixture
def rows(load: Load) -> list[Any]:
    found: list[Any] = load("pages").read_rows(300)
    return found


def observed(row: Any) -> GivenEvent:
    return event("page.observed", row.page, data={"features": row.features})


def labelled(row: Any) -> GivenEvent:
    return event("page.labelled", row.page, data={"features": row.features, "phishing": row.phishing})


def weights(guard: ModuleType) -> dict[str, float]:
    return dict(guard.model["LogisticRegression"].weights)


def test_before_any_label_the_guard_proposes_nothing(load: Load, rows: list[Any]) -> None:
    result = run(load("page_guard").agent, [observed(row) for row in rows[:20]])
    assert result.decisions == []
    assert result.failures == []


def test_after_labels_the_guard_tells_most_pages_right(load: Load, rows: list[Any]) -> None:
    guard = load("page_guard")
    run(guard.agent, [labelled(row) for row in rows[:200]])
    result = run(guard.agent, [observed(row) for row in rows[200:]])
    called = {decision.entity for decision in result.decisions}
    right = sum((row.page in called) == row.phishing for row in rows[200:])
    assert right >= 80


def test_a_decision_has_what_policies_and_the_executor_need(load: Load, rows: list[Any]) -> None:
    guard = load("page_guard")
    run(guard.agent, [labelled(row) for row in rows[:200]])
    result = run(guard.agent, [observed(row) for row in rows[200:]], decision_types=["block-page"])
    decisions = result.decisions
    assert decisions
    for decision in decisions:
        assert decision.type == "block-page"
        assert decision.confidence is not None
        assert 0.5 < decision.confidence <= 1
        assert decision.parameters["page"] == decision.entity
        assert decision.parameters["score"] == decision.confidence
        assert isinstance(decision.parameters["establishedDomain"], bool)
        assert decision.reasoning is not None
        assert decision.reasoning.startswith("phishing with probability 0.")
        assert decision.reasoning.count("=") == 3


def test_a_killed_guard_has_the_same_model_again_after_replay(load: Load, rows: list[Any]) -> None:
    past = [labelled(row) for row in rows[:200]]
    past[60:60] = [outcome("page.blocked", row.page, data={"page": row.page, "command": "c"}) for row in rows[:40]]
    new = [observed(row) for row in rows[200:]]
    before = load("page_guard")
    run(before.agent, past)
    expected = run(before.agent, new).decisions
    after = load("page_guard")
    result = run(after.agent, new, replay=past)
    assert weights(after) == weights(before)
    assert [(decision.entity, decision.confidence) for decision in result.decisions] == [
        (decision.entity, decision.confidence) for decision in expected
    ]


@pytest.mark.parametrize("label_first", [True, False], ids=["the label comes first", "the outcome comes first"])
def test_blocking_a_legitimate_page_is_learned_twice(load: Load, rows: list[Any], *, label_first: bool) -> None:
    legitimate = next(row for row in rows if not row.phishing)
    story = [
        labelled(legitimate),
        outcome("page.blocked", legitimate.page, data={"page": legitimate.page, "command": "c"}),
    ]
    guard = load("page_guard")
    run(guard.agent, story if label_first else story[::-1])
    expected = guard.new_model()
    expected.learn_one(legitimate.features, False)
    expected.learn_one(legitimate.features, False)
    assert weights(guard) == dict(expected["LogisticRegression"].weights)


def test_blocking_a_phishing_page_is_learned_once(load: Load, rows: list[Any]) -> None:
    phishing = next(row for row in rows if row.phishing)
    guard = load("page_guard")
    run(guard.agent, [labelled(phishing), outcome("page.blocked", phishing.page, data={"page": phishing.page})])
    expected = guard.new_model()
    expected.learn_one(phishing.features, True)
    assert weights(guard) == dict(expected["LogisticRegression"].weights)


def test_the_guard_remembers_a_bounded_number_of_pages(
    load: Load, rows: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = load("page_guard")
    monkeypatch.setattr(guard, "REMEMBERED_PAGES", 10)
    run(guard.agent, [labelled(row) for row in rows])
    assert list(guard.legitimate) == [row.page for row in rows if not row.phishing][-10:]


def command(page: str, command_id: str) -> GivenEvent:
    return event("block-page", page, id=command_id, data={"page": page, "score": 0.9, "establishedDomain": False})


def test_a_command_becomes_an_outcome_that_names_it(load: Load) -> None:
    result = run(load("page_blocker").agent, [command("page-0001", "c-1")])
    [decision] = result.decisions
    assert (decision.type, decision.entity) == ("page.blocked", "page-0001")
    assert decision.parameters == {"page": "page-0001", "command": "c-1"}


def test_a_repeated_command_changes_nothing_and_succeeds(load: Load) -> None:
    blocker = load("page_blocker")
    result = run(blocker.agent, [command("page-0001", "c-1"), command("page-0001", "c-1")])
    assert [decision.type for decision in result.decisions] == ["page.blocked", "page.blocked"]
    assert blocker.blocklist == {"page-0001": "c-1"}


def test_a_full_blocklist_is_reported_as_a_failure(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLOCKLIST_CAPACITY", "1")
    blocker = load("page_blocker")
    result = run(blocker.agent, [command("page-0001", "c-1"), command("page-0002", "c-2")])
    assert [decision.type for decision in result.decisions] == ["page.blocked", "page.block-failed"]
    assert result.decisions[1].parameters["error"] == "the list is full (1 pages)"
    assert blocker.blocklist == {"page-0001": "c-1"}


def test_a_restarted_blocker_has_its_list_again(load: Load) -> None:
    blocker = load("page_blocker")
    result = run(blocker.agent, [], replay=[command("page-0001", "c-1")])
    assert blocker.blocklist == {"page-0001": "c-1"}
    assert result.decisions == []
