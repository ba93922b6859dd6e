"""How often Python looks for garbage in cycles: each look goes over all that is alive, and nothing else runs meanwhile.

With a thousand agents one takes 0.4 s, and by Python's own settings there was one every three seconds while they came
up: a sixth of the operator's time. What is no cycle is freed at once, as ever.
"""

import gc

YOUNG, MIDDLE, OLD = 50_000, 20, 50
"""Objects made and not freed until the youngest are looked at; how many of these looks until the next older are, too;
and of those until all are (`gc.set_threshold`)."""


def look_seldom() -> None:
    """Look for garbage in cycles seldom, and never among what a process begins with."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
