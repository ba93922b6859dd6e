"""A chain is decided by its first check that finds something."""

import pytest
from streamwarden_contract.models import Condition
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.desired.checks.chain import Finding, decide, first_finding
from streamwarden_operator.desired.status import MAX_MESSAGE

NEGATIVE = Finding("False", ConditionReason.PENDING, "is negative")
ODD = Finding("Unknown", ConditionReason.DRIFTED, "is odd")


def is_negative(number: int) -> Finding | None:
    return NEGATIVE if number < 0 else None


def is_odd(number: int) -> Finding | None:
    return ODD if number % 2 else None


@pytest.mark.parametrize(
    ("number", "found"),
    [
        pytest.param(2, None, id="nothing-is-found"),
        pytest.param(3, ODD, id="only-a-later-check-finds-something"),
        pytest.param(-2, NEGATIVE, id="only-the-first-does"),
        pytest.param(-3, NEGATIVE, id="the-first-of-two-decides"),
    ],
)
def test_the_first_finding_decides(number: int, found: Finding | None) -> None:
    assert first_finding((is_negative, is_odd), number) == found


def test_a_condition_has_the_finding_s_words() -> None:
    assert decide("Even", (is_odd,), 3) == Condition(type="Even", status="Unknown", reason="Drifted", message="is odd")


def test_a_condition_without_findings_holds_unless_the_chain_says_otherwise() -> None:
    assert decide("Even", (is_odd,), 2) == Condition(type="Even", status="True", reason="OK")
    assert decide("Even", (is_odd,), 2, otherwise=NEGATIVE).reason == "Pending"


def test_a_long_message_is_cut_as_in_every_condition() -> None:
    found = decide("Long", (lambda length: Finding("False", "Pending", "x" * length),), MAX_MESSAGE + 1)
    assert (len(found.message), found.message[-2:]) == (MAX_MESSAGE, " …")
