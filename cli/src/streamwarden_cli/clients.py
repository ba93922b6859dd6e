"""Client configurations: the properties that we keep, written for librdkafka or for Kafka's own tools."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class ClientFormat(StrEnum):
    """Whose configuration to write."""

    LIBRDKAFKA = "librdkafka"
    JAVA = "java"


def render_properties(properties: Mapping[str, str], style: ClientFormat) -> str:
    """Write a client configuration with SCRAM credentials, as a file's text."""
    if style is ClientFormat.LIBRDKAFKA:
        pairs = dict(properties)
    else:
        login = f"username={_jaas(properties['sasl.username'])} password={_jaas(properties['sasl.password'])}"
        module = "org.apache.kafka.common.security.scram.ScramLoginModule"
        pairs = {name: properties[name] for name in ("bootstrap.servers", "security.protocol", "sasl.mechanism")}
        pairs["sasl.jaas.config"] = f"{module} required {login};".replace("\\", "\\\\")
    return "".join(f"{name}={value}\n" for name, value in pairs.items())


def _jaas(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
