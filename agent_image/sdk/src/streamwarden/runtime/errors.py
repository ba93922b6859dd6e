"""What can go wrong between the runtime and Kafka.

RuntimeFaultError
├── ConfigurationError         the process was started wrongly: the message says what to do; exit code 2
├── KafkaUnavailableError      no answer in time: ask again
├── TransactionAbortedError    nothing of the transaction was written: go back to the last commit
├── TransactionUnknownError    it may have been written or not: a new producer first, then as after an abort
└── FencedError                another process has this pod's transactional id: exit code 3
"""

from streamwarden.errors import StreamwardenError


class RuntimeFaultError(StreamwardenError):
    """Root of the runtime's errors."""


class ConfigurationError(RuntimeFaultError):
    """The process was started with settings that cannot work."""


class KafkaUnavailableError(RuntimeFaultError):
    """Kafka gave no usable answer in time."""


class TransactionAbortedError(RuntimeFaultError):
    """The transaction was aborted: none of its records can be read, its offsets were not committed."""


class TransactionUnknownError(RuntimeFaultError):
    """The producer cannot say what became of the transaction, and must not begin another one."""


class FencedError(RuntimeFaultError):
    """Another process has taken over the transactional id."""
