"""What stops or interrupts a gate.

GateError
├── ConfigError             a setting is missing or wrong: the process ends with code 2
├── SetRefusedError         a policy set must not come into force; carries the reason that is reported
├── AbortedError            the transaction was not committed: rewind and repeat
│   └── PutOffError         one partition cannot be read on for now: others can
├── OutputsRefusedError     the broker refuses what the gate writes: find out of which record, and go on without it
├── IndefiniteError         nobody knows whether it was committed: new producer, read the committed offsets again
└── FatalError              this process cannot go on: it ends with code 1
    └── FencedError         another process uses the same transactional id
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


class PutOffError(AbortedError):
    """One partition cannot be read on for now, as that would hold all others up."""


class IndefiniteError(GateError):
    """The outcome of a request to Kafka is unknown."""


class FatalError(GateError):
    """The process cannot go on; a new one may."""


class FencedError(FatalError):
    """Another process took over this gate's transactional id."""


class OutputsRefusedError(GateError):
    """The broker refuses a record of a transaction, which was aborted: repeating it as it is would change nothing.

    Attributes:
        for_itself: whether for what the record is, as for its size; else its topic takes none of this gate.
    """

    def __init__(self, message: str, *, for_itself: bool) -> None:
        super().__init__(message)
        self.for_itself = for_itself
