"""Back-quoted names: hidden from the checker, found again in its messages, and columns stay right."""

import pytest
from streamwarden_judging.typed.quoting import ForChecking, as_written, field_name, written_name


@pytest.mark.parametrize("name", ["first-name", "", "é", "in", "true", "quoted__61", "a.b", "n" * 300 + "-", "\ud800"])
def test_a_name_that_is_no_identifier_can_be_read_from_its_stand_in(name: str) -> None:
    assert field_name(name).isidentifier()
    assert written_name(field_name(name)) == name


@pytest.mark.parametrize("name", ["minutes", "has", "_x1", "string", "namespace", "if"])
def test_an_identifier_stays(name: str) -> None:
    assert field_name(name) == name


@pytest.mark.parametrize("text", ["'`a-b`'", '"""`a-b`"""', "r'\\`a-b`'", "// `a-b`", "b'`a-b`'", "'\\'`a-b`'"])
def test_back_quotes_in_texts_and_comments_stay(text: str) -> None:
    assert ForChecking(text).text == text


def test_places_are_those_of_the_text_as_written() -> None:
    rule = ForChecking("'é' == x &&\n d.`a-o`.y == d.`b-c`.z")
    assert rule.place(rule.text.index("x")) == (1, 8)
    assert rule.place(rule.text.index(".y")) == (2, 9)
    assert rule.place(rule.text.index(".z")) == (2, 22)
    assert rule.place(-1) == (1, 1)
    assert rule.place(rule.offset(2, 2)) == (2, 2)


def test_a_message_has_the_names_of_the_data() -> None:
    assert as_written(f"no {field_name('a-b')} here") == "no a-b here"
