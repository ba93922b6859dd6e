"""The types of what rules read when a decision of one type is judged."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from streamwarden_contract.canonical import JsonValue
from streamwarden_contract.decision import MAX_ENTITY_LENGTH, MAX_REASONING_LENGTH

from streamwarden_judging.typed.coercion import coercion
from streamwarden_judging.typed.data_types import add_data
from streamwarden_judging.typed.schema_types import SchemaTypes
from streamwarden_judging.typed.types import (
    UNTYPED,
    ListType,
    MapType,
    ObjectRef,
    Scalar,
    ScalarType,
    Types,
    Untyped,
    ValueType,
    join,
)

_PARAMETERS = "decision.parameters"
_TEXT = ScalarType(Scalar.STRING)
_COUNT = ScalarType(Scalar.INT)


@dataclass(frozen=True, slots=True)
class Covered:
    """A decision type that a policy covers, and the schema of its parameters."""

    decision_type: str
    schema: JsonValue = None
    """As decoded JSON; None where the contract has none."""


def rule_types(
    own: Covered,
    others: Iterable[Covered] = (),
    labels: Iterable[str] = (),
    params: dict[str, JsonValue] | None = None,
) -> tuple[Types, dict[str, ObjectRef]]:
    """Return the types of the variables, for decisions of one type.

    A name is a mistake only where no covered type has it: what the own schema lacks has the type that the others give
    it. At run time it is not there: ``has`` is false, and reading it denies.

    Args:
        own: the type that is judged.
        others: all other types that the policy covers, of any agent.
        labels: what may be read of ``agent.labels``: what the policy's selector demands.
        params: the data beside the policy's rules; without it there is no such variable.

    Raises:
        ParamsError: the data cannot be typed.
    """
    types = Types()
    others = list(others)
    parameters = _parameters(own, types)
    union = _Union(types)
    for other in others:
        parameters = union.of(parameters, _parameters(other, types))
    covered = tuple(sorted({own.decision_type, *(other.decision_type for other in others)}))
    variables = {"decision": _decision(types, covered, parameters), "agent": _agent(types, labels)}
    return types, variables | _data(types, params)


def envelope_types(
    decision_types: Iterable[str] = (),
    labels: Iterable[str] = (),
    params: dict[str, JsonValue] | None = None,
) -> tuple[Types, dict[str, ObjectRef]]:
    """Return the types of the variables where nothing is known yet of what a policy covers: parameters may be anything.

    Args:
        decision_types: all that the policy covers; without any it covers all there will be.
        labels: what may be read of ``agent.labels``.
        params: the data beside the policy's rules; without it there is no such variable.

    Raises:
        ParamsError: the data cannot be typed.
    """
    types = Types()
    decision = _decision(types, tuple(sorted(decision_types)), Untyped(schema_to_come=True))
    return types, {"decision": decision, "agent": _agent(types, labels)} | _data(types, params)


CoerceDecision = Callable[[Mapping[str, JsonValue]], Mapping[str, JsonValue]]


def decision_coercion(covered: Covered) -> CoerceDecision:
    """Return what gives a decision of a type, as plain JSON, the types that its own schema says."""
    types = Types()
    fields: dict[str, ValueType] = {
        "parameters": _parameters(covered, types),
        "confidence": ScalarType(Scalar.DOUBLE),
    }
    return cast("CoerceDecision", coercion(_object(types, "decision", fields), types))


def _decision(types: Types, covered: tuple[str, ...], parameters: ValueType) -> ObjectRef:
    names = ScalarType(Scalar.STRING, values=covered, max_length=max(map(len, covered))) if covered else _TEXT
    fields: dict[str, ValueType] = {
        "type": names,
        "entity": ScalarType(Scalar.STRING, max_length=MAX_ENTITY_LENGTH),
        "parameters": parameters,
        "cause": _object(types, "decision.cause", {"topic": _TEXT, "partition": _COUNT, "offset": _COUNT}),
        "confidence": ScalarType(Scalar.DOUBLE),
        "reasoning": ScalarType(Scalar.STRING, max_length=MAX_REASONING_LENGTH),
        "model": _object(types, "decision.model", dict.fromkeys(("name", "version", "digest"), _TEXT)),
        "expectedVersion": _COUNT,
    }
    return _object(types, "decision", fields)


def _agent(types: Types, labels: Iterable[str]) -> ObjectRef:
    fields: dict[str, ValueType] = dict.fromkeys(("namespace", "name", "uid"), _TEXT)
    fields["labels"] = _object(types, "agent.labels", dict.fromkeys(labels, _TEXT))
    return _object(types, "agent", fields)


def _data(types: Types, params: dict[str, JsonValue] | None) -> dict[str, ObjectRef]:
    return {} if params is None else {"params": add_data(params, types, "params")}


def _object(types: Types, place: str, given: dict[str, ScalarType] | dict[str, ValueType]) -> ObjectRef:
    ref, fields = types.add(place)
    fields.update(given)
    return ref


def _parameters(covered: Covered, types: Types) -> ValueType:
    return UNTYPED if covered.schema is None else SchemaTypes(covered.schema, types, _PARAMETERS).read()


@dataclass(frozen=True, slots=True)
class _Union:
    """Adds to one type what only another has; of all else the own type counts."""

    types: Types
    done: set[tuple[str, str]] = field(default_factory=set)
    """Pairs of objects that are united, or being united: both may hold themselves."""

    def of(self, own: ValueType, other: ValueType) -> ValueType:
        match own, other:
            case ObjectRef(one), ObjectRef(two):
                self._unite(one, two)
            case ListType(items), ListType(more):
                return replace(own, items=self.of(items, more))
            case MapType(values), MapType(more):
                return replace(own, values=self.of(values, more))
            case ScalarType(Scalar.STRING), ScalarType(Scalar.STRING):
                joined = join((own, other))
                return replace(joined, nullable=own.nullable) if isinstance(joined, ScalarType) else own
            case _:
                pass
        return own

    def _unite(self, one: str, two: str) -> None:
        if one == two or (one, two) in self.done:
            return
        self.done.add((one, two))
        fields = self.types.objects[one]
        for name, kind in list(self.types.objects[two].items()):
            fields[name] = self.of(fields[name], kind) if name in fields else kind
