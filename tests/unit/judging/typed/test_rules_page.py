"""docs/reference/rules.md: its variables, examples and messages are what the checker and the engine have."""

import re
from pathlib import Path

import pytest
from streamwarden_judging.typed.checking import CheckedRule, checker_for
from streamwarden_judging.typed.functions import WRITTEN
from streamwarden_judging.typed.reading import MAX_ITERATIONS
from support.typed_rules import ENV, TYPES, VARIABLES, evaluate

PAGE = (Path(__file__).parents[4] / "docs/reference/rules.md").read_text(encoding="utf-8")
CHECKER = checker_for(TYPES, VARIABLES)


def rows(heading: str) -> list[list[str]]:
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    cells = [re.split(r" (?<!\\)\| ", line.strip("| ")) for line in lines[2:]]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in cells]


@pytest.mark.parametrize("example", [row[2].strip("`") for row in rows("Operators and functions")])
def test_an_example_is_taken_and_true(example: str) -> None:
    assert isinstance(CHECKER.check(example), CheckedRule)
    assert evaluate(example) is True


def test_every_function_that_the_engine_has_is_on_the_page() -> None:
    listed = " ".join(row[0] for row in rows("Operators and functions"))
    assert [name for name in WRITTEN if not re.search(rf"`{name}\b", listed)] == []


@pytest.mark.parametrize(("variable", "kind"), [(row[0].strip("`"), row[1].split(":")[0]) for row in rows("Variables")])
def test_a_variable_has_the_type_that_the_page_says(variable: str, kind: str) -> None:
    if kind in ("string", "int", "double", "timestamp"):
        name = {"timestamp": "google.protobuf.Timestamp"}.get(kind, kind)
        assert isinstance(CHECKER.check(f"type({variable}) == {name}"), CheckedRule)
        assert evaluate(f"type({variable}) == {name}") is True
        assert isinstance(CHECKER.check(f"{variable} == b'a'"), list)
    else:
        assert isinstance(CHECKER.check(f"dyn({variable}) == 1"), CheckedRule)


def test_the_page_has_every_variable() -> None:
    fields = {f"{TYPES.shown[name]}.{field}" for name, given in TYPES.objects.items() for field in given}
    ours = {path for path in fields if path.startswith(("decision.", "agent.")) and "parameters." not in path}
    listed = {row[0].strip("`") for row in rows("Variables")}
    assert ours - listed == {"decision.cause", "decision.model", "agent.labels"}


@pytest.mark.parametrize("row", rows("Messages"), ids=lambda row: row[0][:60])
def test_a_message_is_what_the_checker_says(row: list[str]) -> None:
    if row[0].startswith("`") and "a rule of more" not in row[0] and "..." not in row[0]:
        checked = CHECKER.check(row[0].strip("`"))
        assert isinstance(checked, list)
        assert checked[0].message == row[1]


@pytest.mark.parametrize(("one", "two", "within"), [(4_999, 5_000, True), (5_000, 5_000, False)])
def test_the_engine_counts_the_iterations_of_all_loops_together(one: int, two: int, within: bool) -> None:  # noqa: FBT001  # a case
    assert (one + two < MAX_ITERATIONS) is within
    program = ENV.compile("decision.a.all(x, true) && decision.b.all(x, true)")
    facts = ENV.Activation({"decision": {"a": [0] * one, "b": [0] * two}})
    if within:
        assert program.eval(facts).plain_value() is True
    else:
        with pytest.raises(RuntimeError, match="Iteration budget exceeded"):
            program.eval(facts)
