"""Configurations of topics, compared as Kafka means them: ``compact, delete`` is ``compact,delete``, 1 is 1.0. Pure."""

from collections.abc import Mapping

from streamwarden_operator.ports import ConfigType, Topic

_OF_TOOLS = frozenset({"leader.replication.throttled.replicas", "follower.replication.throttled.replicas"})
"""Set and taken away by whoever moves replicas."""
_OF_VENDORS = ("confluent.", "redpanda.")
"""Beginnings of what brokers of vendors keep on topics by themselves; Kafka's own names begin with none of them."""

_Value = str | int | float | bool | frozenset[str]


def differing(desired: Mapping[str, str], observed: Topic) -> dict[str, str]:
    """Return what is desired and the topic does not carry; an equal default of the broker may change any day."""
    return {
        key: value
        for key, value in desired.items()
        if key not in observed.config or not same_value(value, observed.config[key], kind_of(key, observed))
    }


def same_value(one: str, other: str, kind: ConfigType) -> bool:
    """Tell whether two texts are one value of this type; of an unknown one, whether one text but for blanks."""
    return _read(one, kind) == _read(other, kind)


def kind_of(key: str, observed: Topic) -> ConfigType:
    """Return the type of a configuration, by what Kafka says of the topic."""
    return observed.config_types.get(key, ConfigType.UNKNOWN)


def is_of_tools(key: str) -> bool:
    """Tell whether tools or brokers manage a configuration by themselves."""
    return key in _OF_TOOLS or key.startswith(_OF_VENDORS)


def _read(text: str, kind: ConfigType) -> _Value:
    """Read a text as Kafka does; one that is no value of its type stands for itself, and Kafka will refuse it."""
    text = text.strip()
    try:
        match kind:
            case ConfigType.INT | ConfigType.SHORT | ConfigType.LONG:
                return int(text)
            case ConfigType.DOUBLE:
                return float(text)
            case ConfigType.BOOLEAN:
                return text.lower()
            case ConfigType.LIST:
                return frozenset(part.strip() for part in text.split(","))
            case _:
                return text
    except ValueError:
        return text
