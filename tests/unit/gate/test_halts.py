"""What is halted and for how long, as a value."""

from streamwarden_gate.halts import Halts
from streamwarden_gate.policy_topic import Refusal
from streamwarden_gate.reasons import RefusalReason

ROLLED_BACK = Refusal(RefusalReason.ROLLED_BACK, "older")
REFUSED = Refusal(RefusalReason.TARGET_REFUSED, "forbidden")


def test_a_halt_without_a_time_stays() -> None:
    halts = Halts()
    halts.add(1, REFUSED)
    halts.lift_elapsed(1e12)
    assert (list(halts.partitions), halts.refusals) == ([1], [REFUSED])


def test_a_halt_for_a_while_is_lifted_when_its_time_has_come_and_not_before() -> None:
    halts = Halts()
    halts.add(1, REFUSED, 10.0)
    halts.add(2, REFUSED, 11.0)
    halts.lift_elapsed(9.9)
    assert list(halts.partitions) == [1, 2]
    halts.lift_elapsed(10.0)
    assert list(halts.partitions) == [2]


def test_a_partition_that_is_halted_anew_stays_as_long_as_was_said_last() -> None:
    halts = Halts()
    halts.add(1, REFUSED, 10.0)
    halts.add(1, ROLLED_BACK)
    halts.lift_elapsed(11.0)
    assert halts.refusals == [ROLLED_BACK]


def test_what_is_over_is_lifted_and_no_other() -> None:
    halts = Halts()
    halts.add(1, ROLLED_BACK)
    halts.add(2, REFUSED)
    halts.add(3, REFUSED)
    halts.lift(lambda number, reason: number == 3 or reason is RefusalReason.ROLLED_BACK)
    assert list(halts.partitions) == [2]


def test_what_is_tried_again_is_told_in_its_place_until_something_of_it_is_committed() -> None:
    halts = Halts()
    halts.add(1, REFUSED, 10.0)
    halts.add(2, ROLLED_BACK)
    halts.lift_elapsed(10.0)
    assert (list(halts.partitions), halts.refusals) == ([2], [REFUSED, ROLLED_BACK])
    halts.add(1, REFUSED, 15.0)
    assert (list(halts.partitions), halts.refusals) == ([1, 2], [REFUSED, ROLLED_BACK])
    halts.recovered(1)
    assert halts.refusals == [ROLLED_BACK]


def test_a_lifted_halt_is_over_where_its_place_tells_and_tried_where_only_a_commit_does() -> None:
    halts = Halts()
    halts.add(1, ROLLED_BACK)
    halts.add(2, REFUSED, 10.0)
    halts.lift(lambda *_: True)
    assert (list(halts.partitions), halts.refusals) == ([], [REFUSED])
