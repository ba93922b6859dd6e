"""Which schemas the registry should hold."""

from dataclasses import dataclass

from streamwarden_contract.models import TopicContract


@dataclass(frozen=True, slots=True)
class DesiredSchema:
    """The schema of a topic's values, and what a new version of it must be compatible with."""

    subject: str
    definition: str
    compatibility_level: str


def value_subject(topic_name: str) -> str:
    """Return the subject of a topic's values, as every client of a registry names it."""
    return f"{topic_name}-value"


def build_schema(contract: TopicContract) -> DesiredSchema | None:
    """Build the schema that a contract promises, None where it promises none."""
    schema = contract.spec.value_schema
    if schema is None:
        return None
    return DesiredSchema(
        subject=value_subject(contract.spec.topic_name),
        definition=schema.definition,
        compatibility_level=schema.compatibility_level,
    )
