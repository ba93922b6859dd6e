"""What is said of data that its model refuses: the first place and the reason, and never the value."""

from pydantic import ValidationError

_LONGEST_PLACE = 200
"""A place may have keys in it that somebody else has chosen."""


def first_problem(error: ValidationError) -> str:
    """Say what is wrong first, as ``place: reason``; the reason alone where it is the whole."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])[:_LONGEST_PLACE]
    return f"{where}: {first['msg']}" if where else first["msg"]
