"""What the SDK refuses.

StreamwardenError
├── AgentDefinitionError    the agent's program is wrong: said where it is written, at import
├── CommandExpiredError     a command that must not be carried out any more
├── DecisionRefusedError    a handler returned a decision that cannot be sent; trying again would not help
└── UnreadableBatchError    events that no client can read: passed over, and told by their offsets
"""


class StreamwardenError(Exception):
    """Root of the SDK's errors."""


class AgentDefinitionError(StreamwardenError):
    """A handler or a deployment does not fit: the message says what to write instead."""


class CommandExpiredError(StreamwardenError):
    """It is too late for a command: its ``expirytime`` has passed, and no handler is called with it."""


class UnreadableBatchError(StreamwardenError):
    """A batch of an input that cannot be read: its events reach no handler."""


class DecisionRefusedError(StreamwardenError):
    """A decision that no gate would take: undeclared type, not JSON, out of bounds, or too large."""
