"""JSON as it is judged and signed: strict to read, one way to write."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract import canonical
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.reasons import DeadLetterReason

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**63), max_value=2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_what_is_written_is_read_back(value: canonical.JsonValue) -> None:
    assert canonical.decode(canonical.encode(value)) == value


@given(json_values)
def test_writing_is_stable_over_reading(value: canonical.JsonValue) -> None:
    written = canonical.encode(value)
    assert canonical.encode(canonical.decode(written)) == written


@given(st.dictionaries(st.text(), st.integers(-5, 5), min_size=2, max_size=6))
def test_the_order_of_keys_changes_nothing(value: dict[str, int]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical.encode(value) == canonical.encode(backwards)


@given(json_values)
def test_whatever_the_spacing_the_bytes_are_the_same(value: canonical.JsonValue) -> None:
    spaced = json.dumps(value, indent=2).encode()
    assert canonical.encode(canonical.decode(spaced)) == canonical.encode(value)


@pytest.mark.slow
@given(st.dictionaries(st.text(), json_values, max_size=4), st.sampled_from([b"", b" "]))
def test_what_has_canonical_bytes_is_read_as_what_has_not(value: dict[str, canonical.JsonValue], space: bytes) -> None:
    """Canonical bytes take a shorter way: types (1, 1.0, true) and signs are the same on both."""
    written = canonical.encode(value)
    assert repr(canonical.decode(written + space)) == repr(json.loads(written))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'{"a":9223372036854775808}', id="2-to-the-63"),
        pytest.param(b'{"a":18446744073709551615}', id="2-to-the-64-less-one"),
        pytest.param(b'{"a":[{"b":-9223372036854775809}]}', id="below-int64"),
        pytest.param(b'{"a":1,"a":1}', id="a-repeated-key"),
        pytest.param(b'{"a":1e400}', id="beyond-doubles"),
        pytest.param(b'{"a":NaN}', id="not-a-number"),
        pytest.param(b'{"a":"\\ud800"}', id="a-lone-surrogate"),
        pytest.param(b'{"a":"\xed\xa0\x80"}', id="a-surrogate-in-bytes"),
        pytest.param(b'{"a":' * 65 + b"1" + b"}" * 65, id="too-deep"),
    ],
)
def test_an_object_that_looks_canonical_is_refused_as_strictly(raw: bytes) -> None:
    with pytest.raises(MalformedEventError):
        canonical.decode(raw)


def test_digits_in_a_text_are_no_number() -> None:
    assert canonical.decode(b'{"a":"12345678901234567890"}') == {"a": "12345678901234567890"}


def test_keys_are_sorted_by_code_point_and_nothing_is_escaped_without_need() -> None:
    assert (
        canonical.encode({"b": 1, "ä": [True, None], "a": "é", "B": 1.0})
        == '{"B":1.0,"a":"é","b":1,"ä":[true,null]}'.encode()
    )


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(b'{"a":1,"a":1}', "an object repeats a key", id="a-repeated-key"),
        pytest.param(b'{"a":{"b":1,"\\u0062":2}}', "an object repeats a key", id="a-key-repeated-in-another-spelling"),
        pytest.param(b"[NaN]", "NaN is not JSON", id="F58-nan"),
        pytest.param(b"[Infinity]", "Infinity is not JSON", id="F58-infinity"),
        pytest.param(b"[-Infinity]", "-Infinity is not JSON", id="F58-minus-infinity"),
        pytest.param(b"[1e999]", "a number is outside the range of doubles", id="F58-1e999"),
        pytest.param(b"[-1e999]", "a number is outside the range of doubles", id="F58-minus-1e999"),
        pytest.param(
            b"[" + b"9" * 5_000 + b".5]", "a number is outside the range of doubles", id="F58-a-long-fraction"
        ),
        pytest.param(b"[9223372036854775808]", "an integer is outside the range of 64 bits", id="F58-2-to-the-63"),
        pytest.param(b"[-9223372036854775809]", "an integer is outside the range of 64 bits", id="F58-below-int64"),
        pytest.param(b"[18446744073709551616]", "an integer is outside the range of 64 bits", id="F58-2-to-the-64"),
        pytest.param(b"[" + b"1" * 5_000 + b"]", "an integer is outside the range of 64 bits", id="F58-5000-digits"),
        pytest.param(b'["\\ud800"]', "a string has a lone surrogate", id="F58-a-lone-surrogate"),
        pytest.param(b'{"\\udc00":1}', "a string has a lone surrogate", id="F58-a-lone-surrogate-in-a-key"),
        pytest.param(b'["\xff"]', "not UTF-8 at byte 2", id="F58-broken-utf8"),
        pytest.param(b'["\xed\xa0\x80"]', "not UTF-8 at byte 2", id="F58-a-surrogate-written-as-utf8"),
        pytest.param(b"\xef\xbb\xbf{}", "not JSON: ", id="a-byte-order-mark"),
        pytest.param(b"", "not JSON: Expecting value at character 0", id="nothing"),
        pytest.param(b"{} {}", "not JSON: Extra data at character 3", id="two-values"),
        pytest.param(b"[1,]", "not JSON: ", id="a-trailing-comma"),
        pytest.param(b"[01]", "not JSON: ", id="a-leading-zero"),
        pytest.param(b'["a\nb"]', "not JSON: ", id="a-raw-line-break-in-a-string"),
        pytest.param(b"{'a':1}", "not JSON: ", id="single-quotes"),
        pytest.param(b"[" * 65 + b"]" * 65, "nested deeper than 64", id="F56-depth-65"),
        pytest.param(b"[" * 10_000 + b"]" * 10_000, "nested deeper than 64", id="F56-depth-10000"),
        pytest.param(b'{"a":' * 10_000, "nested deeper than 64", id="F56-depth-10000-unclosed"),
        pytest.param(b'["\\"[",' + b"[" * 65, "nested deeper than 64", id="F56-depth-after-a-string-with-brackets"),
    ],
)
def test_refused_as_malformed(raw: bytes, message: str) -> None:
    with pytest.raises(MalformedEventError) as caught:
        canonical.decode(raw)
    assert caught.value.reason is DeadLetterReason.MALFORMED_VALUE
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param(b"[9223372036854775807,-9223372036854775808]", [2**63 - 1, -(2**63)], id="the-ends-of-int64"),
        pytest.param(b"[" * 64 + b"]" * 64, None, id="F56-depth-64"),
        pytest.param(b'["' + b"[{" * 500 + b'"]', ["[{" * 500], id="brackets-in-a-string-are-no-nesting"),
        pytest.param(b'["\\ud83d\\ude00"]', ["\U0001f600"], id="a-surrogate-pair-is-a-character"),
        pytest.param(b'["\\\\ud800"]', ["\\ud800"], id="an-escaped-backslash-before-ud800"),
        pytest.param(b" [1 , 1.0] ", [1, 1.0], id="white-space"),
        pytest.param(b"[1e-999]", [0.0], id="a-number-too-small-is-zero"),
        pytest.param(b'"text"', "text", id="a-bare-string"),
    ],
)
def test_accepted(raw: bytes, value: canonical.JsonValue) -> None:
    decoded = canonical.decode(raw)
    assert value is None or decoded == value


def test_integers_and_floats_stay_what_they_are() -> None:
    assert canonical.encode(canonical.decode(b"[1,1.0,-0,-0.0,1E2]")) == b"[1,1.0,0,-0.0,100.0]"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_never_a_crash(raw: bytes) -> None:
    try:
        value = canonical.decode(raw)
    except MalformedEventError:
        return
    canonical.encode(value)
