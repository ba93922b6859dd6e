"""How often Python looks for garbage in cycles: each look goes over all that is alive, and nothing else runs meanwhile.

With a thousand agents a full one takes up to 0.4 s, and by Python's own settings there was one every three seconds
while they came up: half of the operator's time. What is no cycle is freed at once, as ever.
"""

import gc

YOUNG, MIDDLE, OLD = 5_000, 4, 250
"""Objects made and not freed until the youngest are looked at, which takes a millisecond or two; how many of these
looks until the next older are, too; and of those until all are (``gc.set_threshold``). Measured where others used the
processor too: with 10,000 and 5 a look at the next older held everything for 0.1 s; with 2,000 and 5 all looks together
took half as much again, as more of what is soon freed is looked at."""


def look_seldom() -> None:
    """Look for garbage in cycles more seldom than Python does by itself."""
    gc.set_threshold(YOUNG, MIDDLE, OLD)


def leave_out_what_is_there() -> None:
    """Leave what there is by now out of all later looks: what was imported, and all objects that were listed."""
    gc.collect()
    gc.freeze()
