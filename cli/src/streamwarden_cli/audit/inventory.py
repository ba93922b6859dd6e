"""What an installation has made in Kafka, as its inventory topic says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streamwarden_contract.errors import InventoryError
from streamwarden_contract.inventory import (
    InstallationItem,
    NamespaceItem,
    SubjectItem,
    TopicItem,
    UserItem,
    decode_item,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from streamwarden_cli.audit.source import AuditSource


class Row(NamedTuple):
    """One thing."""

    kind: str
    """As its key says: ``installation``, ``namespace``, ``user``, ``topic``, ``subject``, or what a later version
    writes."""
    name: str
    namespace: str
    """Empty where it is in none."""
    owner: str
    """The AgentDeployment or TopicContract that it was made for; empty where there is none."""
    stage: str
    """``Intent`` or ``Made``; empty where it has none."""
    problem: str = ""
    """Why the record is not understood: the operator leaves alone what it names."""


def read_inventory(source: AuditSource, topic: str) -> list[Row]:
    """Return what the inventory has now, by kind and name. Signatures are the operator's to check.

    Raises:
        AuditReadError: the topic cannot be read.
    """
    held: dict[bytes, bytes] = {}
    for record in _records(source, topic):
        if record[1] is None:
            held.pop(record[0], None)
        else:
            held[record[0]] = record[1]
    return sorted(_row(key, value) for key, value in held.items())


def table(rows: Sequence[Row], namespace: str = "") -> Iterator[str]:
    """Yield the lines of a table, its head first."""
    shown = [("KIND", "NAMESPACE", "NAME", "FOR", "STAGE"), *(_cells(row) for row in chosen(rows, namespace))]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    for row in shown:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def chosen(rows: Sequence[Row], namespace: str) -> list[Row]:
    """Return what lies in a namespace; everything where none is said."""
    return [row for row in rows if namespace in {"", row.namespace}]


def as_json(row: Row) -> Mapping[str, str]:
    """Return a row as an object; what is not said is left out."""
    return {name: value for name, value in row._asdict().items() if value}


def _records(source: AuditSource, topic: str) -> Iterator[tuple[bytes, bytes | None]]:
    for records in source.read(topic, source.logs(topic)):
        yield from ((record.key or b"", record.value) for record in records)


def _row(key: bytes, value: bytes) -> Row:
    try:
        item = decode_item(key, value)
    except InventoryError as error:
        kind, _, name = key.decode("utf-8", errors="replace").partition("/")
        return Row(kind, name, "", "", "", str(error))
    match item:
        case InstallationItem():
            return Row("installation", item.installation, "", "", "")
        case NamespaceItem():
            return Row("namespace", item.namespace, item.namespace, "", item.stage.value)
        case UserItem():
            return Row("user", item.user, item.namespace, item.agent, item.stage.value)
        case TopicItem():
            return Row("topic", item.topic, item.namespace, item.contract, item.stage.value)
        case SubjectItem():
            return Row("subject", item.subject, item.namespace, item.contract, item.stage.value)


def _cells(row: Row) -> tuple[str, ...]:
    return (row.kind, row.namespace or "-", row.name, row.owner or "-", row.problem or row.stage or "-")
