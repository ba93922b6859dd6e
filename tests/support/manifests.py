"""Resources for tests, with what a test does not care about filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from streamwarden_contract.models import AgentDeployment, TopicContract

if TYPE_CHECKING:
    from pydantic import BaseModel

M = TypeVar("M", bound="BaseModel")
CREATED = "2026-01-01T00:00:00Z"


def part_of(model: type[M], **fields: object) -> M:
    """Make a record that has only what is looked at, unchecked."""
    construct: Any = model.model_construct
    return cast("M", construct(**fields))


def contract(namespace: str = "risk", name: str = "urls", *, generation: int = 1, **spec: Any) -> TopicContract:
    """Build a contract of the topic ``<namespace>.<name>``; the spec's fields as in YAML."""
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": generation}
    return TopicContract.model_validate(
        {
            "metadata": {**metadata, "creationTimestamp": CREATED},
            "spec": {"topicName": f"{namespace}.{name}", **spec},
        }
    )


def agent(namespace: str = "risk", name: str = "guard", **spec: Any) -> AgentDeployment:
    """Build an agent that reads the contract ``urls`` and commands ``blocks``; the spec's fields as in YAML."""
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": 1}
    return AgentDeployment.model_validate(
        {
            "metadata": {**metadata, "creationTimestamp": CREATED},
            "spec": {
                "image": "guard:1",
                "agent": {"entrypoint": "guard:agent"},
                "inputs": [{"name": "urls", "topicRef": {"name": "urls"}}],
                "decisions": [{"type": "block-url", "commandTopicRef": {"name": "blocks"}}],
                **spec,
            },
        }
    )
