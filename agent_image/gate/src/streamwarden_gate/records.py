"""A message of the decision topic as a value. Here reading one may raise."""

from confluent_kafka import Message
from streamwarden_kafka.records import headers_of

from streamwarden_gate.outputs import Record


def record_of(message: Message) -> Record:
    """Read a message that is no error."""
    number, offset = message.partition() or 0, message.offset() or 0
    return Record(message.key(), message.value(), headers_of(message), number, offset, message.timestamp()[1])
