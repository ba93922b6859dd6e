"""Types as protobuf messages, the only form in which the engine's checker takes objects with known fields.

Nothing is ever encoded with them: rules run on plain JSON. A message would answer 0 for a number that is not there.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2

from streamwarden_judging.typed.quoting import field_name
from streamwarden_judging.typed.types import ListType, MapType, ObjectRef, Scalar, ScalarType, Types, Untyped, ValueType

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
        message = file.message_type.add(name=name)
        message.options.deprecated_legacy_json_field_conflicts = True  # foo_bar beside fooBar
        # Two names of one letter can have one stand-in: the second is left out, so rules cannot read it.
        named = {field_name(field): kind for field, kind in reversed(fields.items())}
        for number, (field, kind) in enumerate(named.items(), start=1):
            _add_field(message, name, field, number + 1000 * (number >= 19000), kind)  # 19000-19999 are protobuf's own
    pool.Add(file)
    return pool


def _add_field(message: descriptor_pb2.DescriptorProto, owner: str, name: str, number: int, kind: ValueType) -> None:
    match kind:
        case ListType(items):
            message.field.add(
                name=name, json_name=name, number=number, label=_Field.LABEL_REPEATED, **_reference(items)
            )
        case MapType(values):
            entry = message.nested_type.add(name=_entry_name(name))
            entry.options.map_entry = True
            entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=_Field.TYPE_STRING)
            entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL, **_reference(values))
            full = f".{_PACKAGE}.{owner}.{entry.name}"
            message.field.add(
                name=name,
                json_name=name,
                number=number,
                label=_Field.LABEL_REPEATED,
                type=_Field.TYPE_MESSAGE,
                type_name=full,
            )
        case _:
            message.field.add(name=name, json_name=name, number=number, label=_Field.LABEL_OPTIONAL, **_reference(kind))


def _reference(kind: ValueType) -> dict[str, object]:
    match kind:
        case ScalarType(scalar, nullable=False):
            return {"type": _SCALARS[scalar]}
        case ScalarType(scalar):
            return {"type": _Field.TYPE_MESSAGE, "type_name": _WRAPPERS[scalar]}
        case ObjectRef(name):
            return {"type": _Field.TYPE_MESSAGE, "type_name": f".{_PACKAGE}.{name}"}
        case _:
            return {"type": _Field.TYPE_MESSAGE, "type_name": f".{_PACKAGE}.{UNTYPED_MESSAGE}"}


def _entry_name(field: str) -> str:
    """The name that protobuf demands of a map's entries."""
    return "".join(part[:1].upper() + part[1:] for part in field.split("_")) + "Entry"
