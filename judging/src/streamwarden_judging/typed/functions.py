"""Every operator and function of rules, once: how it is priced, and what it takes that others do not.

Names are those of a checked expression. What is not in the table cannot be used in a rule, whatever the engine knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType


class Price(Enum):
    """What a call costs beside its arguments; ``reading`` has the figures."""

    LOGIC = auto()
    COMPARE = auto()
    SEARCH = auto()
    """A text at an end of another."""
    FIND = auto()
    """A text anywhere in another."""
    MATCH = auto()
    """A regular expression."""
    MEMBER = auto()
    ADD = auto()
    COUNT = auto()
    CHOOSE = auto()
    INDEX = auto()
    UNTYPE = auto()
    CONVERT = auto()
    """A new value from others: arithmetic, conversions, parts of a timestamp."""


@dataclass(frozen=True, slots=True)
class Function:
    """One operator or function."""

    price: Price
    takes_null: bool = False
    """Whether an argument may be null."""
    reads_text: bool = False
    """Whether it fails for some texts: one that is written in the rule is tried when it is checked."""
    with_zone: str = ""
    """The engine's name of the overload that takes a time zone, which no rule may use."""


EQUALITIES = ("_==_", "_!=_")
ORDERINGS = ("_<_", "_<=_", "_>_", "_>=_")
FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        **dict.fromkeys(("_&&_", "_||_", "!_", "@not_strictly_false"), Function(Price.LOGIC)),
        **dict.fromkeys(EQUALITIES, Function(Price.COMPARE, takes_null=True)),
        **dict.fromkeys(ORDERINGS, Function(Price.COMPARE)),
        "@in": Function(Price.MEMBER, takes_null=True),
        "_?_:_": Function(Price.CHOOSE, takes_null=True),
        "_[_]": Function(Price.INDEX),
        "_+_": Function(Price.ADD),
        **dict.fromkeys(("_-_", "_*_", "_/_", "_%_", "-_"), Function(Price.CONVERT)),
        **dict.fromkeys(("startsWith", "endsWith"), Function(Price.SEARCH)),
        "contains": Function(Price.FIND),
        "matches": Function(Price.MATCH),
        "size": Function(Price.COUNT),
        "dyn": Function(Price.UNTYPE, takes_null=True),
        "type": Function(Price.CONVERT, takes_null=True),
        **dict.fromkeys(("string", "bytes"), Function(Price.CONVERT)),
        **dict.fromkeys(
            ("bool", "double", "duration", "int", "timestamp", "uint"), Function(Price.CONVERT, reads_text=True)
        ),
        "getFullYear": Function(Price.CONVERT, with_zone="timestamp_to_year_with_tz"),
        "getMonth": Function(Price.CONVERT, with_zone="timestamp_to_month_with_tz"),
        "getDayOfYear": Function(Price.CONVERT, with_zone="timestamp_to_day_of_year_with_tz"),
        "getDayOfMonth": Function(Price.CONVERT, with_zone="timestamp_to_day_of_month_with_tz"),
        "getDate": Function(Price.CONVERT, with_zone="timestamp_to_day_of_month_1_based_with_tz"),
        "getDayOfWeek": Function(Price.CONVERT, with_zone="timestamp_to_day_of_week_with_tz"),
        "getHours": Function(Price.CONVERT, with_zone="timestamp_to_hours_with_tz"),
        "getMinutes": Function(Price.CONVERT, with_zone="timestamp_to_minutes_with_tz"),
        "getSeconds": Function(Price.CONVERT, with_zone="timestamp_to_seconds_tz"),
        "getMilliseconds": Function(Price.CONVERT, with_zone="timestamp_to_milliseconds_with_tz"),
    }
)
_MACROS = ("all", "exists", "exists_one", "filter", "has", "map")
"""They are written like functions, and no part of a checked expression."""
WRITTEN = (*_MACROS, *sorted(name for name in FUNCTIONS if name.isidentifier()))
"""What people write as a function."""
READ_TEXT = frozenset(name for name, it in FUNCTIONS.items() if it.reads_text)
ZONED: Mapping[str, str] = MappingProxyType({name: it.with_zone for name, it in FUNCTIONS.items() if it.with_zone})
"""Functions that take a time zone by name, and the engine's name of it. They read a file of that name: a device path
holds the process for ever."""
