"""The three kinds of ``streamwarden.io/v1alpha1``."""

from streamwarden_contract.models.agent_deployment import AgentDeployment
from streamwarden_contract.models.base import API_VERSION, GROUP, VERSION, Condition, Kind
from streamwarden_contract.models.policy import Policy
from streamwarden_contract.models.topic_contract import TopicContract

KINDS: tuple[type[Kind], ...] = (TopicContract, Policy, AgentDeployment)

__all__ = [
    "API_VERSION",
    "GROUP",
    "KINDS",
    "VERSION",
    "AgentDeployment",
    "Condition",
    "Kind",
    "Policy",
    "TopicContract",
]
