"""Counts as acks have them: in powers of ten, so that few acks say much. Pure."""


def at_least(count: int) -> int:
    """Return the power of ten that a count of one or more has reached."""
    return int(10 ** (len(str(count)) - 1))
