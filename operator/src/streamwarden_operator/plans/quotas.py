"""What has to change so that a user's quotas are as the operator's settings say."""

from streamwarden_operator.ports import QuotaPlan, Quotas

NO_QUOTA = 0.0
"""Said of a quota in place of a number: there is to be none. Kafka has no such quota, but by its absence."""


def plan_quotas(wanted: Quotas, observed: Quotas) -> QuotaPlan:
    """Compare the quotas of one user with the wanted ones.

    Args:
        wanted: those that the settings speak of; ``NO_QUOTA`` takes one away. All others are left alone.
        observed: what the user has.
    """
    return QuotaPlan(
        set={name: value for name, value in wanted.items() if value != NO_QUOTA and observed.get(name) != value},
        unset=frozenset(name for name, value in wanted.items() if value == NO_QUOTA and name in observed),
    )


def plan_removal(managed: Quotas, observed: Quotas) -> QuotaPlan:
    """Take away from a user that is gone what the settings speak of, so that nobody who gets its name inherits it."""
    return plan_quotas(dict.fromkeys(managed, NO_QUOTA), observed)
