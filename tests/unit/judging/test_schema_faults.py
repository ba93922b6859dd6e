"""JSON Schemas of contracts: usable by the registry and by gates that fetch nothing."""

import sys

import pytest
from streamwarden_judging.schema_faults import schema_faults


@pytest.mark.parametrize(
    "definition",
    [
        pytest.param('{"type":"object"}', id="a-plain-one"),
        pytest.param('{"$defs":{"a":true},"$ref":"#/$defs/a"}', id="a-reference-inside"),
        pytest.param('{"$id":"https://example.com/order","$defs":{"a":true},"$ref":"#/$defs/a"}', id="with-an-id"),
        pytest.param(
            '{"$id":"https://example.com/order","$defs":{"a":true},"$ref":"https://example.com/order#/$defs/a"}',
            id="X47-by-its-own-id",
        ),
        pytest.param(
            '{"$id":"https://example.com/order","$defs":{"a":true},"$ref":"order#/$defs/a"}', id="X47-relative"
        ),
        pytest.param('{"$id":"urn:example:order","properties":{"a":{"$ref":"urn:example:order"}}}', id="X47-a-urn"),
        pytest.param(
            '{"$schema":"http://json-schema.org/draft-07/schema#","$id":"https://example.com/order#",'
            '"definitions":{"a":{}},"properties":{"a":{"$ref":"https://example.com/order#/definitions/a"}}}',
            id="X47-draft-7-with-an-empty-fragment",
        ),
        pytest.param('{"$anchor":"x","properties":{"a":{"$ref":"#x"}}}', id="an-anchor"),
        pytest.param('{"properties":{"$ref":{"type":"string"}}}', id="a-property-named-ref"),
        pytest.param('{"const":{"$ref":"http://example.com"}}', id="a-constant-that-looks-like-a-reference"),
        pytest.param('{"$schema":"http://json-schema.org/draft-07/schema#","definitions":{"a":{}}}', id="draft-7"),
        pytest.param('{"$schema":"https://json-schema.org/draft/2019-09/schema"}', id="draft-2019"),
        pytest.param('{"$schema":"https://json-schema.org/draft/2020-12/schema"}', id="draft-2020"),
        pytest.param('{"properties":{"a":{"$ref":"#"}}}', id="a-recursive-one"),
    ],
)
def test_usable(definition: str) -> None:
    assert schema_faults(definition) == []


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        pytest.param("{", "not JSON: ", id="no-json"),
        pytest.param('{"a":1,"a":2}', "an object repeats a key", id="a-repeated-key"),
        pytest.param('{"minimum":NaN}', "NaN is not JSON", id="F58-nan"),
        pytest.param("[" * 100, "nested deeper than 64", id="F56-deep"),
        pytest.param("\ud800", "not UTF-8 at byte 0", id="F58-a-lone-surrogate"),
        pytest.param("true", "a JSON Schema of a topic must be a JSON object", id="a-boolean"),
        pytest.param('{"type":"objekt"}', "#/type: 'objekt' is not one of ['array', ", id="an-unknown-type"),
        pytest.param(
            '{"properties":{"a":{"maxLength":-1}}}', "#/properties/a/maxLength: -1 is less", id="a-negative-length"
        ),
        pytest.param(
            '{"properties":{"a":{"pattern":"("}}}', '#/properties/a/pattern: "(" is not', id="F53-a-broken-pattern"
        ),
        pytest.param(
            '{"properties":{"user":{"pattern":"^(?!admin)[a-z0-9-]+$"}}}',
            '#/properties/user/pattern: "^(?!admin)[a-z0-9-]+$" is not a "regex"; gates match in linear time',
            id="X13-a-pattern-that-gates-do-not-take",
        ),
        pytest.param(
            '{"patternProperties":{"(?<=a)b":true}}',
            '#/patternProperties/(?<=a)b: "(?<=a)b" is not a "regex"; gates',
            id="X13-a-name-that-gates-do-not-match",
        ),
        pytest.param('{"$schema":"http://example.com"}', "$schema must be one of https://", id="an-unknown-draft"),
        pytest.param('{"$schema":5}', "$schema must be one of https://", id="a-draft-that-is-a-number"),
        pytest.param('{"$ref":"http://example.com"}', "$ref: 'http://example.com' points outside", id="F41-http"),
        pytest.param(
            '{"items":{"$ref":"file:///etc/hostname"}}', "$ref: 'file:///etc/hostname' points", id="F41-a-file"
        ),
        pytest.param('{"$defs":{"a":{"$ref":"b.json"}}}', "$ref: 'b.json' points outside", id="F41-a-neighbour"),
        pytest.param(
            '{"$dynamicRef":"http://example.com"}', "$dynamicRef: 'http://example.com' points", id="F41-dynamic"
        ),
        pytest.param('{"$ref":"#/$defs/a"}', "$ref: '#/$defs/a' points to nothing", id="a-reference-to-nothing"),
        pytest.param(
            '{"$id":"https://example.com/order","$ref":"https://example.com/order#/$defs/a"}',
            "$ref: 'https://example.com/order#/$defs/a' points to nothing",
            id="X47-to-nothing-by-its-own-id",
        ),
        pytest.param(
            '{"$id":"https://example.com/order","$ref":"https://example.com/other"}',
            "$ref: 'https://example.com/other' points outside",
            id="X47-a-neighbour-of-its-own-id",
        ),
        pytest.param('{"$id":"x","$ref":"http://[a"}', "$ref: 'http://[a' points outside", id="X47-no-uri"),
        pytest.param('{"$ref":"#/%zz~9"}', "$ref: '#/%zz~9' points to nothing", id="a-reference-in-strange-words"),
        pytest.param('{"items":{"$id":"http://a.b/","$ref":"#"}}', "$id: only the whole schema", id="F41-an-id-inside"),
    ],
)
def test_refused(definition: str, fault: str) -> None:
    faults = schema_faults(definition)
    assert [text[: len(fault)] for text in faults] == [fault]


def test_at_most_eight_faults_are_told() -> None:
    properties = ",".join(f'"p{index}":{{"$ref":"http://example.com"}}' for index in range(20))
    assert len(schema_faults(f'{{"properties":{{{properties}}}}}')) == 8


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("http://example.com/", " points outside the schema; gates fetch nothing", id="outside"),
        pytest.param("#/$defs/", " points to nothing in the schema", id="to-nothing"),
    ],
)
def test_a_hundred_characters_of_a_reference_are_told(start: str, end: str) -> None:
    target = start + "x" * 300
    assert schema_faults(f'{{"$ref":"{target}"}}') == [f"$ref: {target[:100]!r}{end}"]


def test_a_fault_in_a_schema_of_several_lines_has_its_line() -> None:
    assert schema_faults('{"type": "object",\n "properties": {"qty" {}}}') == [
        "not JSON: Expecting ':' delimiter at character 41 (line 2, column 23 of the schema)"
    ]


@pytest.mark.parametrize(
    ("definition", "faults"),
    [
        pytest.param(
            '{"allOf":[' + ",".join(["1"] * 30_000) + "]}",
            ["#/allOf/0: 1 is not of type 'object', 'boolean'"],
            id="of-which-each-part-is-wrong",
        ),
        pytest.param(
            '{"properties":{' + ",".join(f'"{number}":1' for number in range(6_000)) + "}}",
            ["#/properties/0: 1 is not of type 'object', 'boolean'"],
            id="of-which-each-field-is-wrong",
        ),
        pytest.param('{"allOf":[' + ",".join(["{}"] * 20_000) + "]}", [], id="of-empty-parts"),
        pytest.param('{"allOf":[' + ",".join(['{"$ref":"#"}'] * 4_500) + "]}", [], id="of-references"),
        pytest.param(
            '{"required":[' + ",".join(["1"] * 30_000) + "]}",
            [("#/required: [" + "1," * 249) + "1"],
            id="of-which-one-long-value-is-wrong",
        ),
    ],
)
def test_a_schema_as_large_as_may_be_is_judged_in_few_steps(definition: str, faults: list[str]) -> None:
    """One of 60 kB took 258 s in the operator's event loop, which may stand still for 20: it ended, for all tenants."""
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    schema_faults("{}")  # what is compiled once
    sys.setprofile(count)
    try:
        found = schema_faults(definition)
    finally:
        sys.setprofile(None)
    assert [fault[: len(faults[0])] for fault in found] == faults
    assert steps < 40 * len(definition), steps
