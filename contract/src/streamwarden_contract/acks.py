"""What a gate reports on ``<ns>.streamwarden.gates``: key ``<agent>/<pod>``, one record whenever something changed."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from streamwarden_contract import canonical
from streamwarden_contract.models.policy import PolicyRef

GateState = Literal["Starting", "InForce", "Rejected", "Stale", "Stopped"]


class GateAck(BaseModel):
    """The state of one gate. A tombstone says that it is gone for good."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )

    format: Literal[1] = 1
    namespace: str
    agent: str
    agent_uid: str
    pod: str
    state: GateState
    """``Starting``: nothing in force yet. ``InForce``: the newest set. ``Rejected``: a newer set was refused and the
    last good one (if any) stays. ``Stale``: nothing proves that the policies are up to date, so nothing is judged.
    ``Stopped``: ended in order."""
    reason: str = ""
    """CamelCase, where the state is not ``InForce``."""
    message: Annotated[str, Field(max_length=1024)] = ""
    namespace_epoch: Annotated[int, Field(ge=0)] = 0
    """Epoch in force; 0 where none is."""
    guardrail_epoch: Annotated[int, Field(ge=0)] = 0
    policies: tuple[PolicyRef, ...] = ()
    """Policies in force."""
    reported_at_ms: int
    """The gate's clock, milliseconds since 1970."""

    @property
    def key(self) -> bytes:
        return ack_key(self.agent, self.pod)

    def encode(self) -> bytes:
        return canonical.encode(self.model_dump(mode="json", by_alias=True))


def ack_key(agent: str, pod: str) -> bytes:
    """Return the key of what the gate in a pod reports."""
    return f"{agent}/{pod}".encode()


def decode_ack(value: bytes) -> GateAck:
    """Read an ack.

    Raises:
        MalformedEventError: not strict JSON.
        ValidationError: not an ack.
    """
    return GateAck.model_validate(canonical.decode(value))
