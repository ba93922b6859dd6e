"""Which rules that are in force a gate of this version cannot compile. Pure."""

from functools import lru_cache

from streamwarden_contract.models.policy import PolicySpec
from streamwarden_judging.errors import ExpressionError
from streamwarden_judging.rules import compile_rule
from streamwarden_judging.typed.messages import readable
from streamwarden_judging.typed.quoting import ForChecking
from streamwarden_judging.typed.types import Types

from streamwarden_operator.desired.rule_checks import MAX_KEPT

_VARIABLES = ("decision", "agent", "params", "now")


def rules_that_cannot_run(spec: PolicySpec) -> tuple[str, ...]:
    """Return the rules that a gate of this version cannot compile, with why: it denies what they are asked about."""
    found = ((rule.name, _compile_fault(rule.require, has_params=spec.params is not None)) for rule in spec.rules)
    return tuple(f"rule {name!r}: {fault}" for name, fault in found if fault)


@lru_cache(maxsize=MAX_KEPT)
def _compile_fault(expression: str, *, has_params: bool) -> str:
    try:
        compile_rule(expression, {} if has_params else None)
    except ExpressionError as error:
        return str(readable(str(error.__cause__ or error), Types(), _VARIABLES, ForChecking(expression))[0])
    return ""
