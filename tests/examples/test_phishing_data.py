import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest
import yaml
from river.datasets import Phishing
from streamwarden_contract import canonical, events

Load = Callable[[str], ModuleType]


@pytest.fixture
def schemas(example: Path) -> dict[str, dict[str, Any]]:
    documents = yaml.safe_load_all((example / "topics.yaml").read_text())
    return {each["spec"]["topicName"]: json.loads(each["spec"]["schema"]["schema"]) for each in documents}


def test_the_data_set_has_1250_pages_in_a_fixed_order(load: Load) -> None:
    rows = load("pages").read_rows(1250)
    assert (rows[0].page, rows[-1].page, len(rows)) == ("page-0001", "page-1250", 1250)
    assert sum(row.phishing for row in rows) == 548


def test_pages_are_read_as_river_reads_them(load: Load) -> None:
    rows = load("pages").read_rows(1250)
    assert [(row.features, row.phishing) for row in rows] == list(Phishing())
    assert load("pages").read_rows(3) == rows[:3]


def test_the_producer_does_not_wait_for_the_imports_of_river(example: Path) -> None:
    program = "import sys; import producer; print('scipy' in sys.modules, len(producer.read_rows(2)))"
    command = [sys.executable, "-c", program]
    assert subprocess.check_output(command, cwd=example, text=True) == "False 2\n"


@pytest.mark.parametrize(("what", "topic"), [("observed", "OBSERVED"), ("labelled", "LABELLED")])
def test_events_decode_strictly_and_fit_their_topics_schema(
    load: Load, schemas: dict[str, Any], what: str, topic: str
) -> None:
    producer = load("producer")
    schema = jsonschema.Draft202012Validator(schemas[getattr(producer, topic)])
    for row in load("pages").read_rows(1250):
        event, data = getattr(producer, what)(row)
        decoded = events.decode(event.headers(), strict=True)
        assert (decoded.type, decoded.subject) == (f"page.{what}", row.page)
        schema.validate(canonical.decode(data))


def test_a_label_belongs_to_the_story_of_its_observation(load: Load) -> None:
    producer = load("producer")
    [row] = load("pages").read_rows(1)
    observed, _ = producer.observed(row)
    labelled, _ = producer.labelled(row)
    assert (labelled.correlationid, labelled.causationid) == (observed.id, observed.id)


class Recorder:
    def __init__(self, log: list[Any]) -> None:
        self.log = log

    def write(self, topic: str, event: events.CloudEvent, data: bytes) -> None:
        self.log.append((topic, event.id, data))


def test_every_label_comes_50_pages_after_its_page(load: Load) -> None:
    producer = load("producer")
    log: list[Any] = []
    producer.replay(load("pages").read_rows(60), Recorder(log), Recorder(log), pages_per_s=1e9)
    written = [event_id for _, event_id, _ in log]
    assert written[:51] == [f"page-{number:04}-observed" for number in range(1, 52)]
    assert written[51:53] == ["page-0001-labelled", "page-0052-observed"]
    assert written[-1] == "page-0060-labelled"
    assert len(written) == 120


def decision(entity: str, verdict: str, agent: str = "web/page-guard") -> dict[str, Any]:
    return {"agent": agent, "type": "block-page", "entity": entity, "verdict": verdict}


def test_accuracy_counts_proposals_and_commands_apart(load: Load) -> None:
    score = load("score")
    rows = load("pages").read_rows(250)
    phishing = [row.page for row in rows if row.phishing]
    legitimate = [row.page for row in rows if not row.phishing]
    decisions = [decision(page, "Allow") for page in phishing[:-1]] + [decision(phishing[-1], "Deny")]
    decisions += [decision(legitimate[0], "Deny"), decision(legitimate[1], "Allow", agent="web/page-blocker")]
    result = score.score(rows, decisions)
    assert result["overall"]["proposed"] == 0.996
    assert result["overall"]["commanded"] == 0.996
    assert result["false_alarms"]["proposed"] == 1
    assert result["false_alarms"]["commanded"] == 0
    assert result["missed"]["proposed"] == 0
    assert result["missed"]["commanded"] == 1
    assert [(window["from"], window["to"]) for window in result["windows"]] == [
        ("page-0001", "page-0125"),
        ("page-0126", "page-0250"),
    ]


def test_the_plain_loop_predicts_before_it_learns(load: Load) -> None:
    score = load("score")
    rows = load("pages").read_rows(1250)
    called = score.plain_loop(rows)
    assert called.isdisjoint(row.page for row in rows[:50])
    assert 0.85 < score.accuracy(rows, called) < 0.95


def test_without_pages_accuracy_is_unknown(load: Load) -> None:
    assert load("score").accuracy([], set()) is None
