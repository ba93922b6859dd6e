"""The Secrets of an agent and its gate: one user each, one ``client.properties`` each."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from streamwarden_kafka.connection import (
    CLIENT_PROPERTIES_FILE,
    SCRAM_MECHANISMS,
    SCRAM_SHA_512,
    Connection,
    parse_properties,
)
from streamwarden_kafka.errors import MalformedPropertiesError
from streamwarden_kafka.redaction import Secret

PASSWORD_BYTES = 32
"""Of randomness: what no dictionary and no search reaches."""

ROTATION_FILE = "rotation.json"
"""Beside ``client.properties``: what the operator must remember of a password. No process reads it."""

_READ = frozenset({"sasl.username", "sasl.password", "sasl.mechanism"})
_MOST_READ = 65_536
"""Characters: tenants may write into their Secrets, and a megabyte of lines held the event loop for 7 s."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A user's password, as its Secret holds it."""

    password: str = field(repr=False)
    mechanism: str = SCRAM_SHA_512
    request: str = ""
    """The last rotation that was asked for and begun."""
    since: str = ""
    """When it was made, in RFC 3339; empty: not known."""

    def __post_init__(self) -> None:
        """Wrap what is secret, so that it is in no traceback either."""
        object.__setattr__(self, "password", Secret(self.password))


def agent_secret_name(agent: str) -> str:
    """Return the name of the Secret that the agent's container mounts."""
    return f"{agent}-agent-credentials"


def gate_secret_name(agent: str) -> str:
    """Return the name of the Secret that the gate's container mounts."""
    return f"{agent}-gate-credentials"


def build_secret(user: str, credential: Credential, bootstrap_servers: str) -> Mapping[str, str]:
    """Build the Secret of one user: librdkafka settings, one a line, and what is to be remembered of the password."""
    connection = Connection.scram(bootstrap_servers, user, credential.password, credential.mechanism)
    noted = {"request": credential.request, "since": credential.since}
    said = {name: value for name, value in noted.items() if value}
    remembered = {ROTATION_FILE: json.dumps(said, sort_keys=True)} if said else {}
    return {CLIENT_PROPERTIES_FILE: connection.render(), **remembered}


def find_credential(secret: Mapping[str, str] | None, user: str) -> Credential | None:
    """Return the password that a Secret holds for the user, None where it holds none or another's."""
    secret, lines, settings = secret or {}, dict[str, str](), dict[str, str]()
    for line in secret.get(CLIENT_PROPERTIES_FILE, "")[:_MOST_READ].split("\n"):
        if (name := line.partition("=")[0].strip()) in _READ:
            lines[name] = line
    for line in lines.values():
        # One that is no setting is no reason to give a user a new password under running pods.
        with suppress(MalformedPropertiesError):
            settings |= parse_properties(line)
    password = settings.get("sasl.password")
    if not password or not password.isprintable() or settings.get("sasl.username") != user:
        return None  # what is not printable could not be written back
    mechanism, noted = settings.get("sasl.mechanism", ""), _noted(secret.get(ROTATION_FILE, ""))
    return Credential(
        password,
        mechanism if mechanism in SCRAM_MECHANISMS else SCRAM_SHA_512,
        noted.get("request", ""),
        noted.get("since", ""),
    )


def _noted(text: str) -> dict[str, str]:
    """Read what is remembered; what is strange says nothing, and costs nobody a password."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
