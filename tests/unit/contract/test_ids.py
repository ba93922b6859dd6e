"""Ids: the same after a retry, in every version of this code."""

from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract import ids

positions = st.tuples(st.text(max_size=8), st.text(max_size=8), st.integers(0, 99), st.integers(0, 99))


def test_ids_never_change() -> None:
    assert [
        ids.command_id("uid-1", "topic-1", 3, 42),
        ids.audit_id("uid-1", "topic-1", 3, 42),
        ids.dead_letter_id("uid-1", "topic-1", 3, 42),
        ids.decision_id("uid-1", "risk.urls.observed", 3, 42, 0),
    ] == GOLDEN


def test_the_hash_is_sha256() -> None:
    assert ids.sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(one=positions, other=positions)
def test_two_positions_have_two_ids(one: tuple[str, str, int, int], other: tuple[str, str, int, int]) -> None:
    assert (ids.command_id(*one) == ids.command_id(*other)) == (one == other)


def test_what_is_cut_differently_is_another_id() -> None:
    assert ids.command_id("ab", "c", 1, 2) != ids.command_id("a", "bc", 1, 2)
    assert ids.command_id("a", "b", 1, 12) != ids.command_id("a", "b", 11, 2)


def test_one_position_has_another_id_for_each_purpose() -> None:
    position = ("uid-1", "topic-1", 3, 42)
    assert len({ids.command_id(*position), ids.audit_id(*position), ids.dead_letter_id(*position)}) == 3


GOLDEN = [
    "711df614ad9170c1013cee67ee7799e8",
    "289e7d493b1aa296dee6d44eed54eb30",
    "1f669c9e8f37e9a7633566680afde023",
    "6214ba65db94c152d900d796015d4624",
]
