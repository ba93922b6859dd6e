"""What can be wrong with data that crosses a boundary.

ContractError
├── NameNotAllowedError    a name that is malformed, reserved, or could reach another's
├── MalformedEventError    a record that is no valid event; carries the reason for its dead letter
├── PolicyLogError         a policy-log record that is refused
└── InventoryError         a record of the inventory that cannot be read
"""

from streamwarden_contract.reasons import DeadLetterReason


class ContractError(Exception):
    """Root of everything raised here; its message is safe to show to a user."""


class NameNotAllowedError(ContractError):
    """A name is malformed, reserved, or could be taken for another's."""


class MalformedEventError(ContractError):
    """A record is not a valid event.

    Attributes:
        reason: the stable word for dead letters, audit and metrics.
    """

    def __init__(self, reason: DeadLetterReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class PolicyLogError(ContractError):
    """A policy-log record is unsigned, forged, out of order or unreadable: it is refused."""


class InventoryError(ContractError):
    """A record of the inventory is malformed, or a later version's: what it is about is left alone."""
