"""The environment that rules are checked in: typed variables, and operators that also compare unlike numbers.

Google's runtime compares an int with a double by value; its checker has no such overload. It is taken out and declared
anew with all pairs. Arithmetic stays as it is: what the checker takes must also run.
"""

from collections.abc import Mapping
from functools import cache

from cel_expr_python import cel

from streamwarden_judging.typed.descriptors import build_pool, message_name
from streamwarden_judging.typed.types import ObjectRef, Types

_NUMBERS = ("int", "uint", "double")
_ORDERED = (*((name, name) for name in ("bool", "string", "bytes", "timestamp", "duration")),)
_PAIRS = tuple((one, other) for one in _NUMBERS for other in _NUMBERS)
_ORDERINGS = ("_<_", "_<=_", "_>_", "_>=_")
_EQUALITIES = ("_==_", "_!=_")
ZONED = {
    "getFullYear": "year",
    "getMonth": "month",
    "getDayOfYear": "day_of_year",
    "getDayOfMonth": "day_of_month",
    "getDate": "day_of_month_1_based",
    "getDayOfWeek": "day_of_week",
    "getHours": "hours",
    "getMinutes": "minutes",
    "getSeconds": "seconds",
    "getMilliseconds": "milliseconds",
}
"""Functions that take a time zone by name, and read a file of that name: a device path holds the process for ever."""


def zoneless() -> str:
    """Return the configuration, as YAML, that takes the functions with a time zone away."""
    lines = [f"  - {{name: {name}, overloads: [{{id: timestamp_to_{part}_with_tz}}]}}" for name, part in ZONED.items()]
    return "\n".join(["stdlib:", "  exclude_functions:", *lines])


@cache
def _checking_config() -> str:
    excluded = [f'  - {{name: "{name}"}}' for name in (*_ORDERINGS, *_EQUALITIES, "@in")]
    return "\n".join([zoneless(), *excluded, "functions:", *_comparisons(), *_membership()])


def _comparisons() -> list[str]:
    lines: list[str] = []
    for name in _ORDERINGS:
        pairs = (*_PAIRS, *_ORDERED)
        lines += _function(name, [(f"{one}_{other}", _plain(one), _plain(other)) for one, other in pairs])
    for name in _EQUALITIES:
        mixed = [(f"{one}_{other}", _plain(one), _plain(other)) for one, other in _PAIRS if one != other]
        lines += _function(name, [("same", _PARAMETER, _PARAMETER), *mixed])
    return lines


def _membership() -> list[str]:
    lists = [(f"{one}_in_{other}", _plain(one), _list(_plain(other))) for one, other in _PAIRS if one != other]
    same = [("list", _PARAMETER, _list(_PARAMETER)), ("map", _PARAMETER, _map(_PARAMETER))]
    return _function("@in", [*same, *lists])


_PARAMETER = "{type_name: A, is_type_param: true}"


def _plain(name: str) -> str:
    return f"{{type_name: {name}}}"


def _list(items: str) -> str:
    return f"{{type_name: list, params: [{items}]}}"


def _map(keys: str) -> str:
    return f"{{type_name: map, params: [{keys}, {{type_name: B, is_type_param: true}}]}}"


def _function(name: str, overloads: list[tuple[str, str, str]]) -> list[str]:
    lines = [f'- name: "{name}"', "  overloads:"]
    for which, one, other in overloads:
        lines += [f'  - id: "{name}{which}"', f"    args: [{one}, {other}]", "    return: {type_name: bool}"]
    return lines


def checking_env(types: Types, variables: Mapping[str, ObjectRef], others: Mapping[str, cel.Type]) -> cel.Env:
    """Build an environment.

    Args:
        types: all objects.
        variables: names of variables that are objects.
        others: all other variables.
    """
    typed = {name: cel.Type(message_name(ref)) for name, ref in variables.items()}
    return cel.NewEnv(
        descriptor_pool=build_pool(types),
        config=cel.NewEnvConfigFromYaml(_checking_config()),
        variables={**typed, **others},
    )
