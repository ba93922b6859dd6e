"""The table of what is covered adds up."""

from support.coverage_table import table


def test_a_line_for_each_member_and_one_for_all() -> None:
    assert table([("contract", 200, 10), ("kafka", 100, 50), ("empty", 0, 0)]) == [
        "member                lines  not run  covered",
        "contract                200       10      95%",
        "kafka                   100       50      50%",
        "empty                     0        0        -",
        "all                     300       60      80%",
    ]
