"""What the author of an accepted policy should know of its rules: what is hardly meant, and what nobody could check."""

from collections.abc import Iterator

from streamwarden_contract.models.policy import PolicySpec

from streamwarden_operator.desired.rule_checks import RuleChecks

_MAX_SHOWN = 4


def remarks(spec: PolicySpec, checks: RuleChecks) -> list[str]:
    """Say it in sentences, for a condition."""
    found: list[str] = []
    if not checks.pairs:
        found.append("it covers no decision: no agent that it selects has one of its types (yet)")
    if spec.failure_action == "Enforce" and not spec.rules:
        found.append("it has no rules: everything that it covers is allowed")
    doubtful = [f"rule {spec.rules[index].name!r} {said}" for index, said in doubtful_rules(checks)]
    more = [f"and {len(doubtful) - _MAX_SHOWN} more rules are like these"] if len(doubtful) > _MAX_SHOWN else []
    return found + doubtful[:_MAX_SHOWN] + more + unchecked_names(checks)


def doubtful_rules(checks: RuleChecks) -> Iterator[tuple[int, str]]:
    """Yield the rules that err where a decision leaves out what it may, by their places, with what to write."""
    for index, paths in checks.unguarded.items():
        message = (
            f"reads {', '.join(paths)}, which a decision may leave out: that is an error then, and denies. "
            f"Write !has({paths[0]}) || ... where it may be missing, or demand it in the schema"
        )
        yield index, message


def unchecked_names(checks: RuleChecks) -> list[str]:
    """Say where no name in rules could be checked, if anywhere."""
    if not checks.dynamic:
        return []
    return [f"no name is checked in what is read through dyn(...): {', '.join(checks.dynamic)}"]
