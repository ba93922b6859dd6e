"""Asks Kafka where a gate stands, and what lies in a range, by the headers of its batches alone: nothing is decoded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from streamwarden_kafka.errors import KafkaClientError, NotReachedError

from streamwarden_cli.skips.asking import Stand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamwarden_contract.models.skip import SkipRequest
    from streamwarden_contract.names import AgentNames
    from streamwarden_kafka.connection import Connection

    from streamwarden_cli.audit.source import AuditSource

_MOST_SHOWN = 10


def find_stand(source: AuditSource, names: AgentNames) -> Stand:
    """Return where the gate of an agent stands.

    Raises:
        AuditReadError: Kafka does not say.
    """
    ends = {log.partition: log.end for log in source.logs(names.decisions)}
    committed = source.committed(names.gate_group, names.decisions, ends)
    positions = {number: found.offset for number, found in committed.items()}
    return Stand(names.decisions, source.topic_id(names.decisions), ends, positions)


def show_batches(connection: Connection, stand: Stand, request: SkipRequest) -> Iterator[str]:
    """Yield a line for each of the first batches that the range touches."""
    from streamwarden_kafka.wire.raw import fetch_batch  # 20 MB that few commands need, and late

    offset, shown = max(request.from_offset, stand.positions[request.partition]), 0
    while offset <= request.to_offset and shown < _MOST_SHOWN:
        try:
            found = fetch_batch(connection, "streamwarden-skip", stand.topic, request.partition, offset)
        except NotReachedError as error:
            offset = error.reached  # markers and aborted transactions: nothing to show
            continue
        except (KafkaClientError, ValueError) as error:
            yield f"  what lies at offset {offset} cannot be shown: {error}"
            return
        header = found.header
        if header.base > request.to_offset:
            return
        written = datetime.fromtimestamp(header.timestamp_ms / 1000, UTC).isoformat(timespec="seconds")
        yield (
            f"  offsets {header.base} to {header.last}: {header.records} records in {header.size:,} bytes, "
            f"written {written}"
        )
        offset, shown = header.last + 1, shown + 1
    if offset <= request.to_offset:
        yield f"  and what follows, up to offset {request.to_offset}"
