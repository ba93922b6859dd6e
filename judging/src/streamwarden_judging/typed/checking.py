"""Whether a rule can be used: its names, types, constants and cost, checked against what it will read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cel_expr_python import cel

from streamwarden_judging.typed import syntax
from streamwarden_judging.typed.environment import checking_env, zoneless
from streamwarden_judging.typed.messages import RuleFault, readable
from streamwarden_judging.typed.quoting import for_checking
from streamwarden_judging.typed.reading import Reading
from streamwarden_judging.typed.sizes import size_of
from streamwarden_judging.typed.types import ObjectRef, Types

MAX_COST_NS = 100_000_000
"""What one evaluation of a rule may take at most, by estimate: a tenth of a second of one core."""
MAX_FAULTS = 8
_CONVERSIONS = ("duration", "timestamp", "int", "uint", "double", "bool")
_PROBE = cel.NewEnv(config=cel.NewEnvConfigFromYaml(zoneless()), variables={"x": cel.Type.DYN})


@dataclass(frozen=True, slots=True)
class CheckedRule:
    """What is known of a rule that can be used."""

    cost_ns: float
    """An upper estimate of what one evaluation takes."""
    dynamic: bool
    """Whether it reads something that the schema does not type, through ``dyn(...)``."""


@dataclass(frozen=True, slots=True)
class RuleChecker:
    """Checks rules for one kind of decision."""

    types: Types
    variables: Mapping[str, ObjectRef]
    """Variables that are objects; ``now`` is there besides."""
    _env: cel.Env = field(init=False, repr=False)

    def __post_init__(self) -> None:
        env = checking_env(self.types, self.variables, {"now": cel.Type.TIMESTAMP})
        object.__setattr__(self, "_env", env)

    def check(self, expression: str) -> CheckedRule | list[RuleFault]:
        """Check one rule.

        Returns:
            What is known of it; or why it is refused, at most eight faults in the order of their places.
        """
        try:
            program = self._env.compile(for_checking(expression))
        except Exception as error:  # noqa: BLE001  # the engine raises RuntimeError and ValueError alike
            return readable(str(error), self.types, (*self.variables, "now"), expression)[:MAX_FAULTS]
        if program.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
            return [RuleFault(1, 1, f"must be a boolean, and is {program.return_type().name()}")]
        tree = syntax.parse(program)
        reading = Reading(self.types)
        reading.read(tree, {name: size_of(ref, frozenset(), name) for name, ref in self.variables.items()})
        mistakes = {mistake.at: mistake.message for mistake in reading.mistakes}
        mistakes |= {node.at: said for node in syntax.walk(tree) if (said := _never(node)) is not None}
        if mistakes:
            return [_fault(expression, at, message) for at, message in sorted(mistakes.items())][:MAX_FAULTS]
        if reading.cost_ns > MAX_COST_NS:
            return [RuleFault(1, 1, _too_costly(reading))]
        dynamic = any(isinstance(node, syntax.Call) and node.function == "dyn" for node in syntax.walk(tree))
        return CheckedRule(reading.cost_ns, dynamic)


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
        case syntax.Call(function=name, args=(syntax.Constant(value=str() as text),)) if name in _CONVERSIONS:
            return _engine_error(f"{name}(x)", text)
        case syntax.Call(function="matches", args=(_, syntax.Constant(value=str() as pattern))):
            return _engine_error("''.matches(x)", pattern)
        case syntax.Call(function="_/_" | "_%_", args=(_, syntax.Constant(value=0))):
            return "divides by zero"
    return None


def _engine_error(probe: str, value: str) -> str | None:
    try:
        result = _PROBE.compile(probe).eval(_PROBE.Activation({"x": value}))
    except (RuntimeError, ValueError) as error:
        return str(error)
    if result.type() != cel.Type.ERROR:
        return None
    return f"{result.value()}{_HINTS.get(probe, '')}"


_HINTS = {
    "duration(x)": "; a duration is written as in '36h', '90s' or '1h30m': the largest unit is the hour",
    "timestamp(x)": "; a timestamp is written as in '2026-01-31T08:00:00Z'",
}


def _fault(expression: str, at: int, message: str) -> RuleFault:
    before = expression[: max(at, 0)]
    return RuleFault(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1, message)
