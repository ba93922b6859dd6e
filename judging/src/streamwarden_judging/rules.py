"""CEL behind a small interface: compile once, evaluate to True, False, or why there is no boolean.

The engine is Google's (cel-expr-python). Its errors are values whose ``.value()`` is a truthy string: only a result
of type BOOL counts here. Rules are compiled as they were checked (``typed``): without the functions that take a time
zone, and with comparisons of unlike numbers.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from cel_expr_python import cel
from streamwarden_contract.models.policy import PolicySpec

from streamwarden_judging.errors import ExpressionError
from streamwarden_judging.typed.data_types import ParamsError, typed_data
from streamwarden_judging.typed.environment import runtime_env
from streamwarden_judging.typed.messages import unwrapped
from streamwarden_judging.typed.zeros import without_zeros
from streamwarden_judging.verdicts import BoundPolicy, BoundRule, Expression, PolicySet
from streamwarden_judging.words import as_words

_PLACE = re.compile(r"(ERROR: )?<input>:")
_MAP = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
_VARIABLES: Mapping[str, cel.Type] = {"decision": _MAP, "agent": _MAP, "now": cel.Type.TIMESTAMP}
_ENV = runtime_env(_VARIABLES)
_PARAMS_ENV = runtime_env({**_VARIABLES, "params": _MAP})
Data = Mapping[str, object]
"""What stands beside a policy's rules."""


class RuleFacts:
    """The variables of one decision, for the rules of all policies."""

    __slots__ = ("_beside", "_data", "_values", "plain")

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self._data: Data | None = None
        self._beside: cel.Activation | None = None
        self.plain = _ENV.Activation(values)
        """Of rules that have no data beside them."""

    def beside(self, data: Data) -> cel.Activation:
        """Return the variables with ``params``. The last one is kept: rules of one policy are asked one by one."""
        if self._beside is None or self._data is not data:
            self._data, self._beside = data, _PARAMS_ENV.Activation({**self._values, "params": data})
        return self._beside


class CelExpression:
    """A compiled rule. ``facts`` for ``evaluate`` come from ``activation``."""

    __slots__ = ("_params", "_program")

    def __init__(self, program: cel.Expression, params: Data | None = None) -> None:
        self._program = program
        self._params = params

    def evaluate(self, facts: object) -> bool | str:
        """Return the boolean result; or why there is none, in the engine's words: at most 300 characters."""
        known = cast("RuleFacts", facts)
        try:
            result = self._program.eval(known.plain if self._params is None else known.beside(self._params))
        except (RuntimeError, ValueError) as error:
            # Most errors are values; the engine's own limits (10,000 iterations) are raised.
            return as_words(unwrapped(str(error)))
        kind = result.type()
        if kind == cel.Type.BOOL:
            return result.value() is True
        if kind == cel.Type.ERROR:
            return as_words(unwrapped(str(result.value())))
        return f"gives {kind.name().lower()}, and a rule gives a boolean"


@dataclass(frozen=True, slots=True)
class _Uncompiled:
    """A rule that does not compile errs whatever the decision: it denies."""

    words: str

    def evaluate(self, facts: object) -> str:
        """Say why it does not compile."""
        del facts
        return self.words


@dataclass(frozen=True, slots=True)
class _All:
    """Several expressions, all of which must hold: each policy with data beside its rules has variables of its own."""

    parts: tuple[Expression, ...]

    def evaluate(self, facts: object) -> bool | str:
        """Return True; or what the first one says that is not true."""
        return next((said for part in self.parts if (said := part.evaluate(facts)) is not True), True)


def activation(*, decision: Mapping[str, object], agent: Mapping[str, object], now: datetime) -> RuleFacts:
    """Bind the variables once for all rules of a decision. Values must be strict JSON of bounded depth.

    Raises:
        ZeroInKeyError: the name of a field of the decision has U+0000.
    """
    return RuleFacts({"decision": without_zeros(decision), "agent": agent, "now": now})


def compile_rule(expression: str, params: Data | None = None) -> CelExpression:
    """Compile one rule.

    Args:
        expression: the rule.
        params: the data beside it; without any there is no such variable.

    Raises:
        ExpressionError: a syntax error, an undeclared variable or function, or a result that is never a boolean.
    """
    try:
        program = (_ENV if params is None else _PARAMS_ENV).compile(expression)
    except Exception as error:
        # The engine raises RuntimeError and ValueError alike, with the position in the text: line and column begin it.
        raise ExpressionError(_PLACE.sub("", unwrapped(str(error)))) from error
    if program.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        raise ExpressionError(f"must be a boolean, and is {program.return_type().name()}")
    return CelExpression(program, params)


def bind_policy(namespace: str, name: str, revision: int, spec: PolicySpec) -> BoundPolicy:
    """Compile a policy's rules. One that does not compile errs, and so denies, whatever the decision."""
    fault, params = "", None
    try:
        params = None if spec.params is None else typed_data(spec.params, "params")
    except ParamsError as error:
        fault = as_words(str(error))
    rules = [
        BoundRule(
            rule.name,
            _Uncompiled(fault) if fault else _compiled(rule.require, params),
            rule.otherwise,
            rule.message,
        )
        for rule in spec.rules
    ]
    return BoundPolicy(
        namespace=namespace,
        name=name,
        revision=revision,
        decisions=frozenset(spec.match.decisions),
        enforce=spec.failure_action == "Enforce",
        rules=tuple(rules),
        all_rules=None if _is_broken(rules) else _conjunction([rule.require for rule in spec.rules], params),
    )


def compile_faults(policy: BoundPolicy) -> Iterator[str]:
    """Yield a sentence for each rule of a policy that does not compile."""
    for rule in policy.rules:
        if isinstance(rule.require, _Uncompiled):
            yield f"rule {rule.name!r}: {rule.require.words}"


def _compiled(expression: str, params: Data | None) -> Expression:
    try:
        return compile_rule(expression, params)
    except ExpressionError as error:
        # What follows the first line shows the place, which the line and column say.
        return _Uncompiled(as_words(str(error).partition("\n")[0].rstrip()))


def build_policy_set(policies: Sequence[tuple[BoundPolicy, PolicySpec]], decision_types: Sequence[str]) -> PolicySet:
    """Gather compiled policies into the set that judges, with one fused conjunction for each decision type.

    Measured with 20 rules: one by one 37 µs, fused 11 µs.
    """
    enforcing = [pair for pair in policies if pair[0].enforce]
    fused: dict[str, tuple[tuple[BoundPolicy, ...], Expression | None]] = {}
    for decision_type in decision_types:
        covering = [pair for pair in enforcing if pair[0].covers(decision_type)]
        whole = not any(_is_broken(policy.rules) or decision_type in policy.not_applicable for policy, _ in covering)
        fused[decision_type] = (tuple(policy for policy, _ in covering), _fused(covering) if whole else None)
    return PolicySet(
        enforcing=tuple(policy for policy, _ in enforcing),
        auditing=tuple(policy for policy, _ in policies if not policy.enforce),
        fused=fused,
    )


def _fused(covering: Sequence[tuple[BoundPolicy, PolicySpec]]) -> Expression | None:
    """Fuse policies that compile: those without data into one expression, each other one by itself."""
    plain = [rule.require for _, spec in covering if spec.params is None for rule in spec.rules]
    parts = [policy.all_rules for policy, spec in covering if spec.params is not None and spec.rules]
    if plain:
        parts.insert(0, _conjunction(plain))
    whole = [part for part in parts if part is not None]
    if len(whole) < len(parts):
        return None
    return whole[0] if len(whole) == 1 else _All(tuple(whole)) if whole else None


def _is_broken(rules: Sequence[BoundRule]) -> bool:
    """Tell whether a rule does not compile: nothing may be fused then, for two halves may make a whole."""
    return any(isinstance(rule.require, _Uncompiled) for rule in rules)


def _conjunction(expressions: Sequence[str], params: Data | None = None) -> Expression | None:
    """Fuse expressions that each compile; None where they do not compile together (then they are judged singly)."""
    if not expressions:
        return None
    try:
        return compile_rule(" && ".join(f"({expression}\n)" for expression in expressions), params)
    except ExpressionError:
        return None
