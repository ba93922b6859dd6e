"""What the checker promises holds: of every value that fits its schema, and of every rule that it takes."""

import json
import re

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_judging.typed.checking import CheckedRule, RuleChecker, checker_for
from streamwarden_judging.typed.coercion import InexactNumberError, coercion
from streamwarden_judging.typed.facts import Covered, rule_types
from streamwarden_judging.typed.types import ObjectRef
from support.typed_rules import TYPES, VARIABLES, draw_rule, evaluate
from support.typed_schemas import Drawing, broken_promises

seeds = st.integers(0, 2**32)
CHECKER = checker_for(TYPES, VARIABLES)


@given(seeds)
def test_a_value_that_fits_its_schema_has_the_type_that_rules_are_checked_with(seed: int) -> None:
    drawing = Drawing(seed)
    schema = drawing.schema()
    types, variables = rule_types(Covered("block-url", schema))
    kind = types.fields(variables["decision"])["parameters"]
    coerce = coercion(kind, types) or (lambda value: value)
    validator = jsonschema_rs.validator_for(json.dumps(schema))
    for value in (drawing.value() for _ in range(10)):
        if not isinstance(value, dict) or not validator.is_valid(value):
            continue
        try:
            coerced = coerce(value)
        except InexactNumberError:
            continue  # it is denied
        assert broken_promises(kind, coerced, types, "parameters") == []


@pytest.mark.slow
@given(seeds, seeds)
def test_any_two_schemas_give_types_that_the_engine_takes_and_every_field_can_be_asked_for(one: int, two: int) -> None:
    others = [Covered("refund", Drawing(two).schema())]
    types, variables = rule_types(Covered("block-url", Drawing(one).schema()), others, ["app.kubernetes.io/name"])
    checker = RuleChecker(types, variables)
    assert isinstance(checker.check("dyn(decision.parameters).x == agent.labels.`app.kubernetes.io/name`"), CheckedRule)
    parameters = types.fields(variables["decision"])["parameters"]
    for name in types.fields(parameters) if isinstance(parameters, ObjectRef) else ():
        if re.fullmatch(r"[A-Za-z0-9_./ -]+", name):
            assert isinstance(checker.check(f"has(decision.parameters.`{name}`)"), CheckedRule), name


@pytest.mark.slow
def test_the_engine_writes_nothing_of_its_own_about_a_schema(capfd: pytest.CaptureFixture[str]) -> None:
    for seed in range(30):
        RuleChecker(*rule_types(Covered("block-url", Drawing(seed).schema()))).check("true")
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
@given(st.lists(seeds, min_size=10, max_size=10))
def test_a_rule_that_is_taken_finds_an_operator_for_what_is_there(given_seeds: list[int]) -> None:
    for rule in map(draw_rule, given_seeds):
        if isinstance(CHECKER.check(rule), CheckedRule):
            result = evaluate(rule)
            assert "overload" not in str(result), rule
            assert isinstance(result, bool | str), rule


@given(st.text(max_size=60))
def test_any_text_is_checked_without_an_exception(text: str) -> None:
    CHECKER.check(text)
    CHECKER.check(f"decision.parameters.`{text}` == '{text}'")
