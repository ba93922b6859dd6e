"""Write agents: handlers of events that return decisions, which take effect only as policies allow."""

from streamwarden.agent import Agent
from streamwarden.decision import Decision
from streamwarden.errors import AgentDefinitionError, DecisionRefusedError, StreamwardenError
from streamwarden.event import Event

__all__ = ["Agent", "AgentDefinitionError", "Decision", "DecisionRefusedError", "Event", "StreamwardenError"]
