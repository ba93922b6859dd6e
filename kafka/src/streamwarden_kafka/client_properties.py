"""Kafka client settings as every part reads them from a file: librdkafka's names, one ``name=value`` a line."""

from streamwarden_kafka.errors import MalformedPropertiesError


def parse_properties(text: str) -> dict[str, str]:
    """Read settings; blank lines and those that begin with ``#`` are passed over.

    Raises:
        MalformedPropertiesError: a line without ``=`` or without a name.
    """
    properties: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        said = line.strip()
        if not said or said.startswith("#"):
            continue
        name, separator, value = said.partition("=")
        if not separator or not name.strip():
            raise MalformedPropertiesError(number)
        properties[name.strip()] = value.strip()
    return properties
