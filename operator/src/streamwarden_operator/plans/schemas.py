"""What has to change so that the registry holds the desired schema."""

from dataclasses import dataclass

from streamwarden_contract import canonical
from streamwarden_contract.errors import ContractError

from streamwarden_operator.desired.schemas import DesiredSchema
from streamwarden_operator.ports import SubjectSchema


@dataclass(frozen=True, slots=True)
class SchemaPlan:
    """The changes to make: first the level, then the schema that it judges. Falsy when there are none."""

    set_compatibility: str | None = None
    register: str | None = None

    def __bool__(self) -> bool:
        return self.set_compatibility is not None or self.register is not None


def plan_schema(
    desired: DesiredSchema, observed: SubjectSchema | None, *, known: SubjectSchema | None = None
) -> SchemaPlan:
    """Compare a desired schema with the latest of its subject; white space and the order of keys mean nothing.

    Args:
        desired: the schema.
        observed: the subject's latest; None where there is no such subject.
        known: the version that has the desired schema, if any: no registry makes a second one of it.
    """
    if observed is None:
        return SchemaPlan(set_compatibility=desired.compatibility_level, register=desired.definition)
    same_level = observed.compatibility_level == desired.compatibility_level
    same_schema = known is not None or same_json(observed.definition, desired.definition)
    return SchemaPlan(
        set_compatibility=None if same_level else desired.compatibility_level,
        register=None if same_schema else desired.definition,
    )


def describe_plan(plan: SchemaPlan) -> str:
    """Say in a few words what a plan changes; empty when it changes nothing."""
    parts = []
    if plan.set_compatibility is not None:
        parts.append(f"set compatibility {plan.set_compatibility}")
    if plan.register is not None:
        parts.append("register the schema")
    return ", ".join(parts)


def same_json(left: str, right: str) -> bool:
    """Tell whether two texts are the same JSON; where one is not JSON, whether they are the same text."""
    if left == right:
        return True
    try:
        return canonical.encode(canonical.decode(left.encode())) == canonical.encode(canonical.decode(right.encode()))
    except ContractError:
        return False
