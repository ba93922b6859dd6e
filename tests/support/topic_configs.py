"""Configurations of topics as Kafka has them: their types, and what it makes of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.errors import InvalidSpecError
from streamwarden_operator.ports import ConfigType

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIG_TYPES = {
    "cleanup.policy": ConfigType.LIST,
    "follower.replication.throttled.replicas": ConfigType.LIST,
    "leader.replication.throttled.replicas": ConfigType.LIST,
    "max.message.bytes": ConfigType.INT,
    "message.timestamp.type": ConfigType.STRING,
    "min.cleanable.dirty.ratio": ConfigType.DOUBLE,
    "min.insync.replicas": ConfigType.INT,
    "preallocate": ConfigType.BOOLEAN,
    "retention.bytes": ConfigType.LONG,
    "retention.ms": ConfigType.LONG,
    "segment.ms": ConfigType.LONG,
}
"""Those that the fake knows; Kafka refuses unknown ones too."""

_DEFAULTS = {"cleanup.policy": "delete", "retention.ms": "604800000", "segment.ms": "604800000"}


def as_kafka_has_it(config: Mapping[str, str]) -> dict[str, str]:
    """Return the texts that Kafka shows for these."""
    unknown = sorted(set(config) - set(CONFIG_TYPES))
    if unknown:
        raise InvalidSpecError(f"unknown topic config name: {unknown[0]}", reason=ConditionReason.INVALID_CONFIG)
    return {key: _shown(value.strip(), CONFIG_TYPES[key]) for key, value in config.items()}


def defaults_beside(config: Mapping[str, str]) -> dict[str, str]:
    """Return what holds of what a topic does not carry itself."""
    return {key: value for key, value in _DEFAULTS.items() if key not in config}


def _shown(text: str, kind: ConfigType) -> str:
    match kind:
        case ConfigType.LIST:
            return ",".join(part.strip() for part in text.split(","))
        case ConfigType.DOUBLE:
            return str(float(text))
        case ConfigType.BOOLEAN:
            return text.lower()
        case ConfigType.INT | ConfigType.LONG:
            return str(int(text))
        case _:
            return text
