"""The Secrets of an agent and its gate: one user each, one ``client.properties`` each."""

from collections.abc import Mapping

from streamwarden_contract.runtime_config import CLIENT_PROPERTIES_FILE

PASSWORD = "sasl.password"  # noqa: S105  # the name of a setting
USERNAME = "sasl.username"
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
    settings = {
        "bootstrap.servers": bootstrap_servers,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        USERNAME: user,
        PASSWORD: password,
        # librdkafka's own default puts most keys elsewhere than Kafka's clients do.
        "partitioner": "murmur2_random",
    }
    return {CLIENT_PROPERTIES_FILE: "".join(f"{name}={value}\n" for name, value in settings.items())}


def find_password(secret: Mapping[str, str] | None, user: str) -> str | None:
    """Return the password that a Secret holds for the user, None where it holds none or another's."""
    lines = (secret or {}).get(CLIENT_PROPERTIES_FILE, "").splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return settings.get(PASSWORD) if settings.get(USERNAME) == user else None
