"""The one table of operators and functions: each has a price, and what is not in it is refused."""

import pytest
from streamwarden_judging.typed.functions import FUNCTIONS, READ_TEXT, ZONED, Price
from streamwarden_judging.typed.mistakes import Mistake
from streamwarden_judging.typed.reading import Reading
from streamwarden_judging.typed.syntax import Call, Constant
from streamwarden_judging.typed.types import Types


@pytest.mark.parametrize("price", Price)
def test_each_price_is_known_to_whoever_adds_up(price: Price) -> None:
    assert price in Reading._PRICES


def test_no_price_is_there_for_nothing() -> None:
    assert {known.price for known in FUNCTIONS.values()} == set(Price)


def test_a_function_that_is_not_in_the_table_is_refused_and_priced_by_nobody() -> None:
    reading = Reading(Types())
    base_ns = reading.cost_ns
    reading.read(Call(7, "strings.format", (Constant(0, "a"),)), {})
    assert reading.mistakes == [Mistake(7, "there is no function 'strings.format' in rules")]
    assert reading.cost_ns == base_ns + 200.0  # two parts of an expression, and no more


def test_texts_are_tried_of_what_fails_for_some() -> None:
    assert {"bool", "double", "duration", "int", "timestamp", "uint"} == READ_TEXT


def test_each_part_of_a_timestamp_would_take_a_zone() -> None:
    assert {name for name in FUNCTIONS if name.startswith("get")} == ZONED.keys()
