"""The audit chain's head, which travels as offset metadata."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract import audit
from streamwarden_contract.audit import ChainError, ChainHead
from streamwarden_contract.ids import sha256_hex

counters = st.integers(0, 10**18 - 1)
hashes = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
heads = st.builds(ChainHead, counters, hashes, counters, counters, counters, counters)
topic_ids = st.from_regex(r"[A-Za-z0-9+/_-]{1,64}", fullmatch=True)
ZEROS = "0" * 64


@pytest.mark.slow
@given(heads, topic_ids, counters)
def test_what_is_written_is_read_back(head: ChainHead, topic_id: str, offset: int) -> None:
    written = head.metadata(topic_id, offset)
    assert audit.parse_metadata(written, topic_id=topic_id, offset=offset) == head


def test_it_fits_into_256_bytes() -> None:
    most = 10**18 - 1
    assert len(ChainHead(most, "a" * 64, most, most, most, most).metadata("i" * 64, most).encode()) == 245


def test_the_format_is_final() -> None:
    assert ChainHead().metadata("Lq8g/XCnTEyHm+wTCNJYSQ", 0) == f"2;Lq8g/XCnTEyHm+wTCNJYSQ;0;0;{ZEROS};0;0;0;0"
    assert ChainHead(7, "a" * 64, 3, 2, 5, 1).metadata("T1", 9) == "2;T1;9;7;" + "a" * 64 + ";3;2;5;1"


def test_format_1_is_still_read() -> None:
    head = audit.parse_metadata("1;7;" + "a" * 64 + ";3;2", topic_id="T1", offset=9)
    assert head == ChainHead(7, "a" * 64, 3, 2)


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param(None, id="nothing"),
        pytest.param("", id="empty"),
        pytest.param(f"3;T1;9;0;{ZEROS};0;0;0;0", id="another-format"),
        pytest.param(f"2;0;{ZEROS};0;0", id="format-2-with-the-fields-of-format-1"),
        pytest.param(f"2;T1;9;0;{ZEROS[1:]};0;0;0;0", id="a-short-hash"),
        pytest.param("2;T1;9;0;" + "A" * 64 + ";0;0;0;0", id="a-hash-in-capitals"),
        pytest.param(f"2;T1;9;-1;{ZEROS};0;0;0;0", id="a-negative-length"),
        pytest.param(f"2;T1;9;;{ZEROS};0;0;0;0", id="no-length"),
        pytest.param(f"2;;9;0;{ZEROS};0;0;0;0", id="no-topic-id"),
        pytest.param(f"2;T 1;9;0;{ZEROS};0;0;0;0", id="no-topic-id-of-Kafka"),
        pytest.param(f"2;T1;9;0;{ZEROS};0;0;0", id="the-tries-are-missing"),
        pytest.param(f"2;T1;9;0;{ZEROS};0;0;0;0;0", id="one-field-more"),
        pytest.param(f"2;T1;9;0;{ZEROS};0;0;0;0\n", id="a-line-break-at-the-end"),
        pytest.param(f"2;T1;9;\u0663;{ZEROS};0;0;0;0", id="arabic-digits"),
        pytest.param("2;T1;9;" + "9" * 5_000 + f";{ZEROS};0;0;0;0", id="5000-digits"),
        pytest.param(f"1;0;{ZEROS};0;0;0", id="format-1-with-one-field-more"),
        pytest.param("1;" + "9" * 5_000 + f";{ZEROS};0;0", id="format-1-with-5000-digits"),
    ],
)
def test_a_lost_head_is_never_guessed(metadata: str | None) -> None:
    with pytest.raises(ChainError, match="carries no audit chain"):
        audit.parse_metadata(metadata, topic_id="T1", offset=9)


@pytest.mark.parametrize(
    ("topic_id", "offset", "message"),
    [
        pytest.param("T2", 9, "of the topic T1; this one is T2", id="of-a-topic-that-was-made-again"),
        pytest.param("t1", 9, "of the topic T1; this one is t1", id="ids-differ-by-case"),
        pytest.param("T1", 8, "beside the offset 8 is that of the offset 9", id="copied-beside-an-earlier-offset"),
        pytest.param("T1", 10, "beside the offset 10 is that of the offset 9", id="copied-beside-a-later-offset"),
    ],
)
def test_a_head_that_was_committed_elsewhere_is_refused(topic_id: str, offset: int, message: str) -> None:
    with pytest.raises(ChainError, match=message):
        audit.parse_metadata(ChainHead().metadata("T1", 9), topic_id=topic_id, offset=offset)


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(metadata: str) -> None:
    try:
        head = audit.parse_metadata(metadata, topic_id="T1", offset=9)
    except ChainError:
        return
    assert audit.parse_metadata(head.metadata("T1", 9), topic_id="T1", offset=9) == head


def test_the_chain_goes_on_with_the_hash_of_the_value() -> None:
    head = ChainHead(1, "a" * 64, 5, 2, 4).after(b"{}")
    assert head == ChainHead(2, sha256_hex(b"{}"), 5, 2, 4)
    assert head.under(namespace_epoch=6, guardrail_epoch=3) == ChainHead(2, sha256_hex(b"{}"), 6, 3, 4)


def test_the_record_after_one_that_was_judged_has_not_been_tried() -> None:
    tried = ChainHead(1, "a" * 64, 5, 2, 4, tries=2)
    assert (tried.after(b"{}").tries, tried.under(namespace_epoch=6, guardrail_epoch=3).tries) == (0, 2)


def test_one_chain_has_one_key() -> None:
    assert audit.audit_key("url-guard", 3) == b"url-guard/3"
