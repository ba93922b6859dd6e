"""Data beside the rules: what it costs to work out its types grows with its size, and no faster."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from streamwarden_judging.typed.coercion import InexactNumberError, coercion
from streamwarden_judging.typed.data_types import typed_data
from streamwarden_judging.typed.types import ListType, ObjectRef, Scalar, ScalarType, Types
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamwarden_contract.canonical import JsonValue

MANY = 300
INT, DOUBLE = ScalarType(Scalar.INT), ScalarType(Scalar.DOUBLE)


class Counted(dict[str, Any]):
    """Counts how often somebody asks for a key."""

    looks: ClassVar[Counter[str]] = Counter()

    @override
    def __contains__(self, key: object) -> bool:
        self.looks["in"] += 1
        return super().__contains__(key)

    @override
    def get(self, key: str, default: object = None) -> Any:
        self.looks["get"] += 1
        return super().get(key, default)


@pytest.fixture(autouse=True)
def looks() -> Iterator[Counter[str]]:
    Counted.looks.clear()
    yield Counted.looks
    Counted.looks.clear()


@pytest.mark.parametrize("inner", [lambda n: n, lambda n: {f"x{n}": n}], ids=["numbers", "objects"])
def test_objects_in_a_list_with_a_field_of_its_own_each_are_not_asked_for_those_of_all_others(
    looks: Counter[str], inner: Any
) -> None:
    items: list[JsonValue] = [Counted({f"k{number}": inner(number)}) for number in range(MANY)]
    assert typed_data({"items": items}, "params") == {"items": items}
    assert looks.total() <= 5 * MANY


def test_places_that_differ_in_marks_alone_are_told_apart_without_going_through_all_before(
    looks: Counter[str],
) -> None:
    types = Types(objects=Counted())
    names = [types.add("params." + "!" * number + "?" * (MANY - number))[0].name for number in range(MANY)]
    assert [names[0], names[1], names[-1]] == [plain := "params_" + "_" * MANY, f"{plain}_2", f"{plain}_{MANY}"]
    assert looks["in"] <= 3 * MANY


def test_a_place_that_is_named_as_a_numbered_one_gets_another_name() -> None:
    types = Types()
    assert [types.add(place)[0].name for place in ("a-_2", "a-", "a.", "a!")] == ["a__2", "a_", "a__3", "a__4"]


def test_an_object_with_fewer_fields_than_its_type_gets_numbers_as_one_with_all() -> None:
    types = Types(objects={"o": {"d": DOUBLE, "i": INT, "l": ListType(DOUBLE), "s": ScalarType(Scalar.STRING)}})
    do = coercion(ObjectRef("o"), types)
    assert do is not None
    values: list[JsonValue] = [{"d": 1}, {"i": 2.0}, {"l": [1]}, {"other": 1, "d": None}, {}]
    assert [repr(do(value)) for value in values] == [
        "{'d': 1.0}",
        "{'i': 2}",
        "{'l': [1.0]}",
        "{'other': 1, 'd': None}",
        "{}",
    ]
    unchanged: JsonValue = {"d": 1.5}
    assert do(unchanged) is unchanged
    with pytest.raises(InexactNumberError):
        do({"i": 2.5})
