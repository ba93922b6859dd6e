from __future__ import annotations

import pytest
from streamwarden_operator.desired.schemas import DesiredSchema
from streamwarden_operator.plans.schemas import SchemaPlan, describe_plan, plan_schema, same_json
from streamwarden_operator.ports import SubjectSchema

TEXT = '{"type": "object", "required": ["url"]}'
OTHER = '{"type": "object"}'
DESIRED = DesiredSchema("risk.urls-value", TEXT, "BACKWARD")


def found(definition: str = TEXT, level: str | None = "BACKWARD") -> SubjectSchema:
    return SubjectSchema("risk.urls-value", 4, 2, definition, level)


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        pytest.param(None, SchemaPlan("BACKWARD", TEXT), id="an-absent-subject-gets-level-and-schema"),
        pytest.param(found(), SchemaPlan(), id="an-equal-schema-is-left-alone"),
        pytest.param(found('{"required":["url"],"type":"object"}'), SchemaPlan(), id="spaces-and-order-mean-nothing"),
        pytest.param(found(level=None), SchemaPlan("BACKWARD"), id="a-registrys-default-is-not-relied-on"),
        pytest.param(found(OTHER, "NONE"), SchemaPlan("BACKWARD", TEXT), id="drift-of-both-is-undone"),
        pytest.param(found("no json"), SchemaPlan(None, TEXT), id="what-is-no-json-is-replaced"),
    ],
)
def test_plan_brings_the_subject_to_its_contract(observed: SubjectSchema | None, expected: SchemaPlan) -> None:
    plan = plan_schema(DESIRED, observed)
    assert plan == expected
    assert bool(plan) == bool(describe_plan(plan))


def test_x43_a_schema_that_is_there_as_an_older_version_is_not_registered_anew() -> None:
    assert plan_schema(DESIRED, found(OTHER, "NONE"), known=found()) == SchemaPlan("BACKWARD")


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        pytest.param('{"a": 1}', '{"a":1}', True, id="spaces"),
        pytest.param('{"minimum": 1}', '{"minimum": true}', False, id="true-is-not-one"),
        pytest.param("no json", "no json", True, id="equal-texts"),
        pytest.param("no json", '{"a": 1}', False, id="no-json-is-no-json"),
    ],
)
def test_json_is_compared_by_meaning(left: str, right: str, *, same: bool) -> None:
    assert same_json(left, right) is same
