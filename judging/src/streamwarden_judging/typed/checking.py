"""Whether a rule can be used: its names, types, constants and cost, checked against what it will read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

from cel_expr_python import cel
from google.protobuf.message import DecodeError

from streamwarden_judging.typed import syntax
from streamwarden_judging.typed.absences import unguarded
from streamwarden_judging.typed.environment import checking_env, runtime_env
from streamwarden_judging.typed.functions import READ_TEXT
from streamwarden_judging.typed.messages import MAX_FAULTS, TOO_DEEP, RuleFault, readable, unwrapped
from streamwarden_judging.typed.quoting import ForChecking
from streamwarden_judging.typed.reading import Reading
from streamwarden_judging.typed.sizes import Size, size_of
from streamwarden_judging.typed.types import ObjectRef, Typed, Types, ValueType

MAX_COST_NS = 100_000_000
"""What one evaluation of a rule may take at most, by estimate: a tenth of a second of one core."""
MAX_LENGTH = 16 * 1024
"""Longest expression, in code points."""
MAX_CHECKERS = 256
"""Environments that are kept, by their content: agents of the same contracts share one."""
_NOW: Mapping[str, cel.Type] = MappingProxyType({"now": cel.Type.TIMESTAMP})
_HINTS = {
    "duration(x)": "; a duration is written as in '36h', '90s' or '1h30m': the largest unit is the hour",
    "timestamp(x)": "; a timestamp is written as in '2026-01-31T08:00:00Z'",
}


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """What is known of a rule that can be used."""

    cost_ns: float
    """An upper estimate of what one evaluation takes."""
    dynamic: tuple[str, ...]
    """What it reads through ``dyn(...)``, where no name can be found wrong: ``decision.parameters.extra``."""
    unguarded: tuple[str, ...] = ()
    """What it reads though a decision may leave it out, without ``has(...)`` beside it."""


class _RefusedError(Exception):
    """A rule that cannot be used."""

    def __init__(self, faults: list[RuleFault]) -> None:
        super().__init__()
        self.faults = faults


@dataclass(frozen=True, slots=True)
class RuleChecker:
    """Checks rules for one kind of decision. ``checker_for`` keeps them."""

    types: Types
    variables: Mapping[str, ObjectRef]
    """Variables that are objects; ``now`` is there besides."""
    _env: cel.Env = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_env", checking_env(self.types, self.variables, _NOW))

    def check(self, expression: str, *, bounded: bool = True) -> CheckedRule | list[RuleFault]:
        """Check one rule.

        Args:
            expression: the rule.
            bounded: whether its cost is held against it; not where no schema says yet how large anything is.

        Returns:
            What is known of it; or why it is refused, at most eight faults in the order of their places.
        """
        rule = ForChecking(expression)
        try:
            tree = self._tree(rule)
            reading = self._read(tree, rule)
        except _RefusedError as refused:
            return refused.faults[:MAX_FAULTS]
        except (DecodeError, RecursionError):
            return [RuleFault(1, 1, TOO_DEEP)]
        if bounded and reading.cost_ns > MAX_COST_NS:
            return [RuleFault(1, 1, _too_costly(reading))]
        return CheckedRule(reading.cost_ns, tuple(reading.dynamic), unguarded(tree, self.variables, self.types))

    def _tree(self, rule: ForChecking) -> syntax.Node:
        """Return the rule as a tree, once the engine has found its names and types to be right."""
        if not rule.expression.strip():
            raise _RefusedError([RuleFault(1, 1, "is empty")])
        if len(rule.expression) > MAX_LENGTH:
            raise _RefusedError([RuleFault(1, 1, f"is longer than {MAX_LENGTH} characters")])
        try:
            program = self._env.compile(rule.text)
            kind = program.return_type()
            # Over values of any type the engine infers less: of an empty list's item it then takes the first overload.
            _running(tuple(self.variables)).compile(rule.expression)
        except Exception as error:
            # The engine raises RuntimeError, ValueError and TypeError alike.
            faults = readable(str(error), self.types, (*self.variables, *_NOW), rule)
            raise _RefusedError(sorted(faults, key=_place)) from error
        if kind not in (cel.Type.BOOL, cel.Type.DYN):
            raise _RefusedError([RuleFault(1, 1, f"must be a boolean, and is {kind.name().lower()}")])
        return syntax.parse(program)

    def _read(self, tree: syntax.Node, rule: ForChecking) -> Reading:
        """Return what the rule costs, once it has been found without mistakes."""
        reading = Reading(self.types)
        reading.read(tree, {name: self._size(name, ref) for name, ref in self.variables.items()})
        mistakes = {mistake.at: mistake.message for mistake in reversed(reading.mistakes)}
        mistakes |= {node.at: said for node in syntax.walk(tree) if (said := _never(node))}
        if mistakes:
            raise _RefusedError([RuleFault(*rule.place(at), mistakes[at]) for at in sorted(mistakes)])
        return reading

    def _size(self, name: str, ref: ObjectRef) -> Size:
        known = self.types.sizes.get(ref.name)
        return size_of(ref, frozenset(), name) if known is None else size_of(ref, None, name, known)


_Objects = tuple[tuple[str, tuple[tuple[str, ValueType], ...]], ...]


def checker_for(types: Types, variables: Mapping[str, ObjectRef]) -> RuleChecker:
    """Return the checker for these types: the one that is there already for types of the same content."""
    return _checker(
        tuple((name, tuple(fields.items())) for name, fields in types.objects.items()),
        tuple(types.shown.items()),
        tuple(types.indexed.items()),
        tuple(types.sizes.items()),
        tuple(types.optional.items()),
        tuple(variables.items()),
    )


@lru_cache(maxsize=MAX_CHECKERS)
def _checker(
    objects: _Objects,
    shown: tuple[tuple[str, str], ...],
    indexed: tuple[tuple[str, Typed], ...],
    sizes: tuple[tuple[str, int], ...],
    optional: tuple[tuple[str, tuple[str, ...]], ...],
    variables: tuple[tuple[str, ObjectRef], ...],
) -> RuleChecker:
    types = Types(
        {name: dict(fields) for name, fields in objects}, dict(shown), dict(indexed), dict(sizes), dict(optional)
    )
    return RuleChecker(types, dict(variables))


def _place(fault: RuleFault) -> tuple[int, int]:
    return fault.line, fault.column


def _too_costly(reading: Reading) -> str:
    message = (
        f"may take {reading.cost_ns / 1e9:.1f} s for one decision, and at most {MAX_COST_NS / 1e9:.1f} s is allowed"
    )
    if not reading.unbounded:
        return f"{message}: go over less, or over it fewer times"
    bounds = ", ".join(f"{keyword} for {path}" for path, keyword in list(reading.unbounded.items())[:3])
    return f"{message}: set {bounds} in the schema"


def _never(node: syntax.Node) -> str | None:
    """Return why a call with constants fails whatever the decision, in the engine's words."""
    match node:
        case syntax.Call(function=name, args=(syntax.Constant(value=str() as text),)) if name in READ_TEXT:
            return _engine_error(f"{name}(x)", text)
        case syntax.Call(function="matches", args=(_, syntax.Constant(value=str() as pattern))):
            return _engine_error("''.matches(x)", pattern)
        case syntax.Call(function="_/_" | "_%_", args=(_, syntax.Constant(value=int(0)))):
            return "divides by zero"
        case _:
            return None


def _engine_error(probe: str, value: str) -> str | None:
    env = _probes()
    try:
        result = env.compile(probe).eval(env.Activation({"x": value}))
    except (RuntimeError, ValueError) as error:
        return unwrapped(str(error))
    return f"{unwrapped(str(result.value()))}{_HINTS.get(probe, '')}" if result.type() == cel.Type.ERROR else None


@lru_cache(maxsize=8)
def _running(variables: tuple[str, ...]) -> cel.Env:
    return runtime_env({**dict.fromkeys(variables, cel.Type.Map(cel.Type.STRING, cel.Type.DYN)), **_NOW})


@lru_cache(maxsize=1)
def _probes() -> cel.Env:
    return runtime_env({"x": cel.Type.DYN})
