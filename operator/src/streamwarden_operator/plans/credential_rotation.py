"""When a user's password is replaced, and by which mechanism the next one goes. Pure.

A user of Kafka may have one password of each SCRAM mechanism. So the next one is made by the mechanism that the one in
the Secret is not of, the Secret has it, pods are replaced, and only then is the other one taken away: both are valid
all the while. Where brokers take logins by one mechanism alone, the password is replaced in place.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from streamwarden_contract.ids import sha256_hex
from streamwarden_kafka.connection import SCRAM_MECHANISMS

from streamwarden_operator.desired.credentials import Credential
from streamwarden_operator.desired.names import ROTATE_CREDENTIALS_ANNOTATION

_SPREAD = 0.1
"""Passwords that were made at the same time are replaced over this share of the age, and not all at once."""


def rotation_due(credential: Credential, asked: str, *, user: str, longest: timedelta | None, now: datetime) -> str:
    """Return why a user's password is to be replaced; empty where it is not.

    Args:
        credential: as its Secret holds it.
        asked: the value of the annotation; each new one asks for one rotation.
        user: whose; each has its own time within the last tenth of the age.
        longest: age at which it is replaced; None: never for its age.
        now: the time.
    """
    if asked and asked != credential.request:
        return f"asked for by the annotation {ROTATE_CREDENTIALS_ANNOTATION}={asked!r}"
    since = _read_time(credential.since)
    if longest is None or since is None:
        return ""
    share = int(sha256_hex(user.encode())[:8], 16) / 2**32
    return f"made {credential.since}" if now - since >= longest * (1 - _SPREAD * share) else ""


def is_age_known(credential: Credential, now: datetime) -> bool:
    """Tell whether it is said when a password was made; what is no time, or is still to come, says nothing."""
    since = _read_time(credential.since)
    return since is not None and since <= now


def other_mechanism(mechanism: str) -> str:
    """Return the mechanism that a user's next password goes by."""
    return next(each for each in SCRAM_MECHANISMS if each != mechanism)


def passwords_beside(mechanism: str, found: Collection[str]) -> frozenset[str]:
    """Return the mechanisms by which a user could log in with another password than its Secret's."""
    return frozenset(found) - {mechanism} if mechanism in found else frozenset()


def _read_time(text: str) -> datetime | None:
    """Read a time; what is none, or has no zone, is not known."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
