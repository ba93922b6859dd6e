"""Whatever a schema says and whatever comes, it is compiled or refused, and what comes fits or is told why not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract import canonical
from streamwarden_judging.schemas import JsonSchema
from support.typed_schemas import Drawing

LONGEST = 500
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
)
words = st.sampled_from(
    ["type", "pattern", "items", "$ref", "enum", "multipleOf", "maxLength", "properties", "not", "format", "$id", "if"]
)
nearly_schemas = st.dictionaries(
    words, values | st.sampled_from(["#", "string", "(", "#/a", "a{1000}{1000}", "\\p{L}"])
)


@pytest.mark.slow
@given(seed=st.integers(0, 2**32), value=values)
def test_any_value_fits_a_schema_or_is_told_why_not(seed: int, value: canonical.JsonValue) -> None:
    schema = JsonSchema(json.dumps(Drawing(seed).schema()))
    found = schema.mismatch(value)
    assert found is None or 0 < len(found) <= LONGEST
    again = schema.mismatch(canonical.decode(canonical.encode(value)))
    assert (again is None) == (found is None)


@pytest.mark.slow
@given(definition=values | nearly_schemas, value=values)
def test_any_definition_is_compiled_or_refused(definition: object, value: canonical.JsonValue) -> None:
    try:
        schema = JsonSchema(json.dumps(definition))
    except ValueError:
        return
    found = schema.mismatch(value)
    assert found is None or 0 < len(found) <= LONGEST
