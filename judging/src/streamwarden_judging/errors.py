"""What can be wrong with what is to judge."""

from streamwarden_contract.errors import ContractError


class ExpressionError(ContractError):
    """A CEL expression does not compile, or cannot return a boolean."""
