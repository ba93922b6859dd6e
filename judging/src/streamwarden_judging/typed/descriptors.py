"""Types as protobuf messages, the only form in which the engine's checker takes objects with known fields.

Nothing is ever encoded with them: rules run on plain JSON. A message would answer 0 for a number that is not there.
"""

from collections.abc import Mapping

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2

from streamwarden_judging.typed.quoting import field_name
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
)

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "sw"
UNTYPED_MESSAGE = "Untyped"
_SCALARS = {
    Scalar.STRING: _Field.TYPE_STRING,
    Scalar.INT: _Field.TYPE_INT64,
    Scalar.DOUBLE: _Field.TYPE_DOUBLE,
    Scalar.BOOL: _Field.TYPE_BOOL,
}
_WRAPPERS = {
    Scalar.STRING: ".google.protobuf.StringValue",
    Scalar.INT: ".google.protobuf.Int64Value",
    Scalar.DOUBLE: ".google.protobuf.DoubleValue",
    Scalar.BOOL: ".google.protobuf.BoolValue",
}
_STANDARD = (struct_pb2, wrappers_pb2, timestamp_pb2, duration_pb2)
_OWN_NUMBERS = range(19_000, 20_000)
"""Field numbers that protobuf keeps for itself."""
_MAX_NAME_LENGTH = 4_096


def message_name(ref: ObjectRef) -> str:
    """Return the full name of an object's message, as the checker's errors say it."""
    return f"{_PACKAGE}.{ref.name}"


def build_pool(types: Types) -> descriptor_pool.DescriptorPool:
    """Build a pool that holds a message for each object."""
    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name="sw.proto", package=_PACKAGE, syntax="proto3")
    for module in _STANDARD:
        standard = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(standard)
        pool.Add(standard)
        file.dependency.append(standard.name)
    file.message_type.add(name=UNTYPED_MESSAGE)
    for name, fields in types.objects.items():
        _add_message(file.message_type.add(name=name), fields)
    pool.Add(file)
    return pool


def _add_message(message: descriptor_pb2.DescriptorProto, fields: Mapping[str, ValueType]) -> None:
    message.options.deprecated_legacy_json_field_conflicts = True  # foo_bar beside fooBar
    named = {field_name(field): kind for field, kind in fields.items()}
    taken = set(named)  # a message's fields and the entries of its maps share their names
    number = 0
    for name, kind in named.items():
        if len(name) > _MAX_NAME_LENGTH:
            continue
        number = _OWN_NUMBERS.stop if number + 1 in _OWN_NUMBERS else number + 1
        entry = _entry_name(name)
        if isinstance(kind, MapType) and entry in taken:
            _add_field(message, name, number, UNTYPED)
        else:
            taken |= {entry} if isinstance(kind, MapType) else set()
            _add_field(message, name, number, kind)


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: ValueType) -> None:
    match kind:
        case ListType(items):
            label, reference = _Field.LABEL_REPEATED, _reference(items)
        case MapType(values):
            entry = message.nested_type.add(name=_entry_name(name))
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
            entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL, **_reference(values))
            label, reference = _Field.LABEL_REPEATED, _message(f"{message.name}.{entry.name}")
        case ScalarType() | ObjectRef() | Untyped():
            label, reference = _Field.LABEL_OPTIONAL, _reference(kind)
    message.field.add(name=name, json_name=name, number=number, label=label, **reference)


def _reference(kind: ValueType) -> dict[str, object]:
    match kind:
        case ScalarType(scalar, nullable=False):
            return {"type": _SCALARS[scalar]}
        case ScalarType(scalar):
            return {"type": _Field.TYPE_MESSAGE, "type_name": _WRAPPERS[scalar]}
        case ObjectRef(name):
            return _message(name)
        case Untyped(schema_to_come=True):
            return {"type": _Field.TYPE_MESSAGE, "type_name": ".google.protobuf.Value"}  # which CEL reads as dyn
        case ListType() | MapType() | Untyped():
            return _message(UNTYPED_MESSAGE)


def _message(name: str) -> dict[str, object]:
    return {"type": _Field.TYPE_MESSAGE, "type_name": f".{_PACKAGE}.{name}"}


def _entry_name(field: str) -> str:
    """Return the name that protobuf demands of a map's entries."""
    letters: list[str] = []
    raised = True
    for letter in field:
        if letter == "_":
            raised = True
        else:
            letters.append(letter.upper() if raised else letter)
            raised = False
    return "".join(letters) + "Entry"
