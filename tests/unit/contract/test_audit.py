"""The audit chain's head, which travels as offset metadata."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract import audit
from streamwarden_contract.audit import ChainError, ChainHead
from streamwarden_contract.ids import sha256_hex

counters = st.integers(0, 10**18 - 1)
heads = st.builds(ChainHead, counters, st.from_regex(r"[0-9a-f]{64}", fullmatch=True), counters, counters)


@given(heads)
def test_what_is_written_is_read_back(head: ChainHead) -> None:
    assert audit.parse_metadata(head.metadata()) == head


@given(heads)
def test_it_fits_into_256_bytes(head: ChainHead) -> None:
    assert len(head.metadata().encode()) <= 123


def test_the_format_is_final() -> None:
    assert ChainHead().metadata() == "1;0;" + "0" * 64 + ";0;0"
    assert ChainHead(7, "a" * 64, 3, 2).metadata() == "1;7;" + "a" * 64 + ";3;2"


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param(None, id="nothing"),
        pytest.param("", id="empty"),
        pytest.param("2;0;" + "0" * 64 + ";0;0", id="another-format"),
        pytest.param("1;0;" + "0" * 63 + ";0;0", id="a-short-hash"),
        pytest.param("1;0;" + "A" * 64 + ";0;0", id="a-hash-in-capitals"),
        pytest.param("1;-1;" + "0" * 64 + ";0;0", id="a-negative-length"),
        pytest.param("1;;" + "0" * 64 + ";0;0", id="no-length"),
        pytest.param("1;0;" + "0" * 64 + ";0", id="an-epoch-is-missing"),
        pytest.param("1;0;" + "0" * 64 + ";0;0;0", id="one-field-more"),
        pytest.param("1;0;" + "0" * 64 + ";0;0\n", id="a-line-break-at-the-end"),
        pytest.param("1;\u0663;" + "0" * 64 + ";0;0", id="arabic-digits"),
        pytest.param("1;" + "9" * 5_000 + ";" + "0" * 64 + ";0;0", id="5000-digits"),
    ],
)
def test_a_lost_head_is_never_guessed(metadata: str | None) -> None:
    with pytest.raises(ChainError, match="carries no audit chain"):
        audit.parse_metadata(metadata)


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(metadata: str) -> None:
    try:
        head = audit.parse_metadata(metadata)
    except ChainError:
        return
    assert audit.parse_metadata(head.metadata()) == head


def test_the_chain_goes_on_with_the_hash_of_the_value() -> None:
    head = ChainHead(1, "a" * 64, 5, 2).after(b"{}")
    assert head == ChainHead(2, sha256_hex(b"{}"), 5, 2)
    assert head.under(namespace_epoch=6, guardrail_epoch=3) == ChainHead(2, sha256_hex(b"{}"), 6, 3)


def test_one_chain_has_one_key() -> None:
    assert audit.audit_key("url-guard", 3) == b"url-guard/3"
