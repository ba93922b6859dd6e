"""What does not fit a model is told in words."""

from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from streamwarden.core.routing import describe_faults


class Page(BaseModel):
    model_config = ConfigDict(extra="forbid")

    score: float = Field(default=1.0, gt=0, le=1)
    name: str = Field(default="a", min_length=1)
    kind: Literal["a", "b"] = "a"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"score": "much"}, "score: must be a number"),
        ({"score": 2}, "score: is too large: at most 1.0"),
        ({"score": 0}, "score: is too small: more than 0.0"),
        ({"name": ""}, "name: is too short: 1 or more characters"),
        ({"kind": "c"}, "kind: is none of the values that are allowed"),
        ({"score": 1, "more": 1}, "?: unknown field"),
    ],
)
def test_x64_a_fault_is_told_in_words_and_not_in_a_code(value: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Page.model_validate(value)

    assert describe_faults(caught.value, frozenset(Page.model_fields)) == f"Page: {words}"
