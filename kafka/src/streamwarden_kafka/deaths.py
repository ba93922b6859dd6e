"""How often a process may die of what it reads, and what may be passed over then: the same for gates and agents."""

MOST_DEATHS = 3
"""So many processes may die of one record, or of reading on in one place, before it is passed over."""
MOST_SKIPPED, SKIPPED_WITHIN_S = 10, 3_600.0
"""So many ranges are passed over in such a time, and no more: else it is hardly their fault."""
LONGEST_ONE_BY_ONE_S = 300.0
"""After a death all is read one by one for so long, where nothing else ends it before."""
