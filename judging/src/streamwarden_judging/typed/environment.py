"""The environment that rules are checked in: typed variables, and operators that also compare unlike numbers.

Google's runtime compares an int with a double by value; its checker has no such overload. It is taken out and declared
anew with all pairs, and lists and maps with null. Arithmetic stays as it is: what the checker takes must also run.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from cel_expr_python import cel

from streamwarden_judging.typed.descriptors import build_pool, message_name
from streamwarden_judging.typed.functions import EQUALITIES, ORDERINGS, ZONED
from streamwarden_judging.typed.types import ListType, MapType, ObjectRef, ScalarType, Typed, Types

_NUMBERS = ("int", "uint", "double")
_ORDERED = (*((name, name) for name in ("bool", "string", "bytes", "timestamp", "duration")),)
_PAIRS = tuple((one, other) for one in _NUMBERS for other in _NUMBERS)


def zoneless() -> str:
    """Return the configuration, as YAML, that takes the functions with a time zone away."""
    lines = [f"  - {{name: {name}, overloads: [{{id: {zoned}}}]}}" for name, zoned in ZONED.items()]
    return "\n".join(["stdlib:", "  exclude_functions:", *lines])


_ONLY_CHECKED = """\
  - {name: int, overloads: [{id: duration_to_int64}]}
  - {name: duration, overloads: [{id: int64_to_duration}]}"""
"""What the checker knows and the runtime does not have."""
_KEYS = ("bool", "int", "uint", "string")
_Indexed = tuple[tuple[str, str], ...]
"""Messages that are read by a key from data, and the YAML of the type of their values."""


def runtime_env(variables: Mapping[str, cel.Type]) -> cel.Env:
    """Build an environment that rules run in, with the functions that they are checked with."""
    return cel.NewEnv(config=_checking_config(()), variables=dict(variables))


@lru_cache(maxsize=64)
def _checking_config(indexed: _Indexed) -> cel.EnvConfig:
    """Return what rules are checked with. To parse it takes longer than all else."""
    excluded = [f'  - {{name: "{name}"}}' for name in (*ORDERINGS, *EQUALITIES, "@in", "_[_]")]
    functions = [*_comparisons(), *_membership(indexed), *_indexing(indexed)]
    return cel.NewEnvConfigFromYaml("\n".join([zoneless(), _ONLY_CHECKED, *excluded, "functions:", *functions]))


def _comparisons() -> list[str]:
    lines: list[str] = []
    for name in ORDERINGS:
        pairs = (*_PAIRS, *_ORDERED)
        lines += _function(name, [(f"{one}_{other}", _plain(one), _plain(other), _BOOL) for one, other in pairs])
    for name in EQUALITIES:
        mixed = [(f"{one}_{other}", _plain(one), _plain(other), _BOOL) for one, other in _PAIRS if one != other]
        null = _plain("null_type")
        for what, kind in (("list", _list(_A)), ("map", _map(_A, _B))):
            mixed += [(f"{what}_null", kind, null, _BOOL), (f"null_{what}", null, kind, _BOOL)]
        lines += _function(name, [("same", _A, _A, _BOOL), *mixed])
    return lines


def _membership(indexed: _Indexed) -> list[str]:
    lists = [(f"{one}_in_{other}", _plain(one), _list(_plain(other)), _BOOL) for one, other in _PAIRS if one != other]
    same = [
        ("list", _A, _list(_A), _BOOL),
        *((f"{key}_map", _plain(key), _map(_plain(key), _B), _BOOL) for key in _KEYS),
    ]
    objects = [(f"object{number}", _STRING, _plain(name), _BOOL) for number, (name, _) in enumerate(indexed)]
    return _function("@in", [*same, *lists, *objects])


def _indexing(indexed: _Indexed) -> list[str]:
    same = [("list", _list(_A), _plain("int"), _A)]
    same += [(f"{key}_map", _map(_plain(key), _B), _plain(key), _B) for key in _KEYS]
    objects = [(f"object{number}", _plain(name), _STRING, values) for number, (name, values) in enumerate(indexed)]
    return _function("_[_]", [*same, *objects])


def _plain(name: str) -> str:
    return f"{{type_name: {name}}}"


def _list(items: str) -> str:
    return f"{{type_name: list, params: [{items}]}}"


def _map(keys: str, values: str) -> str:
    return f"{{type_name: map, params: [{keys}, {values}]}}"


_A, _B = ("{type_name: A, is_type_param: true}", "{type_name: B, is_type_param: true}")
_BOOL, _STRING = _plain("bool"), _plain("string")


def _function(name: str, overloads: Iterable[tuple[str, str, str, str]]) -> list[str]:
    lines = [f'- name: "{name}"', "  overloads:"]
    for which, one, other, result in overloads:
        lines += [f'  - id: "{name}{which}"', f"    args: [{one}, {other}]", f"    return: {result}"]
    return lines


def _written(kind: Typed) -> str:
    match kind:
        case ScalarType(scalar):
            return _plain(scalar)
        case ListType(ScalarType(scalar)):
            return _list(_plain(scalar))
        case ObjectRef():
            return _plain(message_name(kind))
        case ListType() | MapType():
            raise ValueError("no object is indexed with such values")


def checking_env(types: Types, variables: Mapping[str, ObjectRef], others: Mapping[str, cel.Type]) -> cel.Env:
    """Build an environment.

    Args:
        types: all objects.
        variables: names of variables that are objects.
        others: all other variables.
    """
    typed = {name: cel.Type(message_name(ref)) for name, ref in variables.items()}
    indexed = tuple((message_name(ObjectRef(name)), _written(kind)) for name, kind in types.indexed.items())
    return cel.NewEnv(
        descriptor_pool=build_pool(types),
        config=_checking_config(indexed),
        variables={**typed, **others},
    )
