"""The Secrets of an agent and its gate: one user each, one ``client.properties`` each."""

from collections.abc import Mapping
from contextlib import suppress

from streamwarden_kafka.connection import CLIENT_PROPERTIES_FILE, Connection, parse_properties
from streamwarden_kafka.errors import MalformedPropertiesError

PASSWORD_BYTES = 32
"""Of randomness: what no dictionary and no search reaches."""


def agent_secret_name(agent: str) -> str:
    """Return the name of the Secret that the agent's container mounts."""
    return f"{agent}-agent-credentials"


def gate_secret_name(agent: str) -> str:
    """Return the name of the Secret that the gate's container mounts."""
    return f"{agent}-gate-credentials"


def build_secret(user: str, password: str, bootstrap_servers: str) -> Mapping[str, str]:
    """Build the Secret of one user: librdkafka settings, one a line."""
    return {CLIENT_PROPERTIES_FILE: Connection.scram(bootstrap_servers, user, password).render()}


def find_password(secret: Mapping[str, str] | None, user: str) -> str | None:
    """Return the password that a Secret holds for the user, None where it holds none or another's."""
    settings: dict[str, str] = {}
    for line in (secret or {}).get(CLIENT_PROPERTIES_FILE, "").split("\n"):
        # One that is no setting is no reason to give a user a new password under running pods.
        with suppress(MalformedPropertiesError):
            settings |= parse_properties(line)
    return settings.get("sasl.password") or None if settings.get("sasl.username") == user else None
