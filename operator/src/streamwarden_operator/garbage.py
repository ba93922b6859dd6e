"""How often Python looks for garbage in cycles: each look goes over all that is alive, and nothing else runs meanwhile.

With a thousand agents a full one takes up to 0.4 s, and by Python's own settings there was one every three seconds
while they came up: half of the operator's time. What is no cycle is freed at once, as ever.
"""

import gc

YOUNG, MIDDLE, OLD = 10_000, 5, 100
"""Objects made and not freed until the youngest are looked at, which takes some milliseconds; how many of these looks
until the next older are, too; and of those until all are (``gc.set_threshold``)."""


def look_seldom() -> None:
    """Look for garbage in cycles more seldom than Python does by itself."""
    gc.set_threshold(YOUNG, MIDDLE, OLD)


def leave_out_what_is_there() -> None:
    """Leave what there is by now out of all later looks: what was imported, and all objects that were listed."""
    gc.collect()
    gc.freeze()
