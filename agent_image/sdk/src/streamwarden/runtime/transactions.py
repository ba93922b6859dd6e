"""The producer: writes decisions and offsets in one transaction, by the one way that Kafka's room has."""

from collections.abc import Mapping, Sequence

from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import (
    BrokerUnavailableError,
    ProducerFailedError,
    ProducerFencedError,
    ProducersHangError,
    TransactionUnknownError,
)
from streamwarden_kafka.logs import ClientLog
from streamwarden_kafka.producer_session import Limits
from streamwarden_kafka.records import Offset, Write
from streamwarden_kafka.transactions import TransactionalProducer
from typing_extensions import override

from streamwarden.core.records import Outgoing, Partition
from streamwarden.runtime.ports import NO_METADATA, OffsetMetadata, Transactions

_LIMITS = Limits(
    # Readers of the decisions wait so long for a transaction that hangs.
    transaction_s=10.0,
    open_s=5.0,
    call_s=5.0,
    # What is not known means handlers that run again: an outage that ends soon is waited out.
    patience_s=12.0,
    hung_s=20.0,
)

_SETTINGS: dict[str, object] = {
    "acks": "all",
    "batch.size": 512 * 1024,  # well under the topic's max.message.bytes, which limits batches
    "linger.ms": 2,
    "compression.type": "lz4",
}


class KafkaTransactions(Transactions):
    """A pod's transactions on the agent's decision topic."""

    def __init__(self, kafka: Connection, transactional_id: str, topic: str) -> None:
        """Prepare; nothing connects before ``open``.

        Args:
            kafka: the Kafka, and the agent's user.
            transactional_id: the pod's: whoever opens it next fences this one.
            topic: the agent's decision topic.
        """
        self._topic = topic
        self._producer = TransactionalProducer(
            kafka, transactional_id, ClientLog("transactions"), _SETTINGS, limits=_LIMITS
        )

    @override
    def open(self) -> None:
        try:
            self._producer.open()
        except ProducersHangError:
            raise  # to wait would be in vain
        except (ProducerFailedError, ProducerFencedError) as error:
            # Whoever else opens one at the same time does not end us: the last to open has it.
            raise BrokerUnavailableError(str(error)) from error

    @override
    def commit(
        self,
        records: Sequence[Outgoing],
        positions: Mapping[Partition, int],
        group_metadata: object,
        offset_metadata: OffsetMetadata = NO_METADATA,
    ) -> None:
        writes = [Write(self._topic, record.key, record.value, list(record.headers)) for record in records]
        offsets = [Offset(*at, offset, offset_metadata.get(at, "")) for at, offset in positions.items()]
        try:
            self._producer.commit(writes, offsets, group_metadata)
        except ProducerFencedError as error:
            if not error.certain:
                raise TransactionUnknownError(str(error)) from error
            raise ProducerFencedError("another process uses the transactional id of this pod") from error

    @override
    def close(self) -> None:
        self._producer.close()
