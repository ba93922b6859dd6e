"""What stops or interrupts a gate.

GateError
├── ConfigError             a setting is missing or wrong: the process ends with code 2
├── SetRefusedError         a policy set must not come into force; carries the reason that is reported
├── AbortedError            the transaction was not committed: rewind and repeat
├── IndefiniteError         nobody knows whether it was committed: new producer, read the committed offsets again
└── FatalError              this process cannot go on: it ends with code 1
    ├── FencedError         another process uses the same transactional id
    └── RecordRefusedError  the broker refuses a record that the gate writes
"""

from streamwarden_gate.reasons import RefusalReason


class GateError(Exception):
    """Root of everything raised here; its message is safe to show to a user."""


class ConfigError(GateError):
    """A setting is missing or wrong; the message says what to do."""


class SetRefusedError(GateError):
    """A policy set must not come into force.

    Attributes:
        reason: the stable word for acks.
    """

    def __init__(self, reason: RefusalReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class AbortedError(GateError):
    """The transaction was aborted or must be: nothing of it is visible."""


class IndefiniteError(GateError):
    """The outcome of a request to Kafka is unknown."""


class FatalError(GateError):
    """The process cannot go on; a new one may."""


class FencedError(FatalError):
    """Another process took over this gate's transactional id."""


class RecordRefusedError(FatalError):
    """The broker refuses a record that the gate must write: repeating it would change nothing."""
