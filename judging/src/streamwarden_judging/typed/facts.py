"""The types of what rules read when a decision of one type is judged."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from streamwarden_contract.canonical import JsonValue
from streamwarden_contract.decision import MAX_ENTITY_LENGTH, MAX_REASONING_LENGTH

from streamwarden_judging.typed.schema_types import SchemaTypes
from streamwarden_judging.typed.types import UNTYPED, ListType, MapType, ObjectRef, Scalar, ScalarType, Types, ValueType

_PARAMETERS = "decision.parameters"
_ANY_OBJECT: JsonValue = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Covered:
    """A decision type that a policy covers, and the schema of its parameters."""

    decision_type: str
    schema: JsonValue = None
    """As decoded JSON; None where the contract has none."""


def rule_types(
    own: Covered, others: Iterable[Covered] = (), labels: Iterable[str] = ()
) -> tuple[Types, dict[str, ObjectRef]]:
    """Return the types of the variables, for decisions of one type.

    A name is a mistake only where no covered type has it: what the own schema lacks has the type that the others give
    it. At run time it is not there: ``has`` is false, and reading it denies.

    Args:
        own: the type that is judged.
        others: all other types that the policy covers, of any agent.
        labels: what may be read of ``agent.labels``: what the policy's selector demands.
    """
    types = Types()
    others = list(others)
    parameters = _parameters(own, types)
    for other in others:
        parameters = _union(parameters, _parameters(other, types), types)
    covered = tuple(sorted({own.decision_type, *(other.decision_type for other in others)}))
    text = ScalarType(Scalar.STRING)
    variables = {
        "decision": _object(
            types,
            "decision",
            {
                "type": ScalarType(Scalar.STRING, values=covered, max_length=max(map(len, covered))),
                "entity": ScalarType(Scalar.STRING, max_length=MAX_ENTITY_LENGTH),
                "parameters": parameters,
                "cause": _object(
                    types,
                    "decision.cause",
                    {"topic": text, "partition": ScalarType(Scalar.INT), "offset": ScalarType(Scalar.INT)},
                ),
                "confidence": ScalarType(Scalar.DOUBLE),
                "reasoning": ScalarType(Scalar.STRING, max_length=MAX_REASONING_LENGTH),
                "model": _object(types, "decision.model", {"name": text, "version": text, "digest": text}),
                "expectedVersion": ScalarType(Scalar.INT),
            },
        ),
        "agent": _object(
            types,
            "agent",
            {
                "namespace": text,
                "name": text,
                "uid": text,
                "labels": _object(types, "agent.labels", dict.fromkeys(labels, text)),
            },
        ),
    }
    return types, variables


def _object(types: Types, place: str, fields: dict[str, ValueType]) -> ObjectRef:
    ref = ObjectRef(types.new_name(place))
    types.objects[ref.name], types.shown[ref.name] = fields, place
    return ref


def _parameters(covered: Covered, types: Types) -> ValueType:
    return UNTYPED if covered.schema is None else SchemaTypes(covered.schema, types, _PARAMETERS).read()


def _union(own: ValueType, other: ValueType, types: Types) -> ValueType:
    """Add to an object the fields that only the other one has; of all else the own type counts."""
    match own, other:
        case ObjectRef(), ObjectRef() if own != other:
            fields = types.objects[own.name]
            for name, kind in types.objects[other.name].items():
                fields[name] = _union(fields[name], kind, types) if name in fields else kind
        case ListType(ObjectRef() as one), ListType(ObjectRef() as two):
            _union(one, two, types)
        case MapType(ObjectRef() as one), MapType(ObjectRef() as two):
            _union(one, two, types)
    return own
