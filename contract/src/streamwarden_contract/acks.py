"""What a gate reports on ``<ns>.streamwarden.gates``: key ``<agent>/<pod>``, one record whenever something changed."""

import base64
import operator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from streamwarden_contract import canonical
from streamwarden_contract.errors import PolicyLogError
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.policylog import EPOCH_KEY, EpochRecord, Verifier, decode_record, signed_message

GateState = Literal["Starting", "InForce", "Rejected", "Stale", "Stopped"]


class _Data(BaseModel):
    """What a newer gate says besides is passed over: the operator may be older than a gate."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True
    )


Newest = Annotated[int, Field(ge=1)]
"""The newest format that is read; all older ones are, too."""


class ReadFormats(_Data):
    """Which formats a gate reads. One that does not say reads format 1 of everything."""

    decision: Newest = 1
    """Of decisions and failure records."""
    policy_log: Newest = 1
    offset_metadata: Newest = 1


class SignedEpoch(_Data):
    """The epoch record that closed a policy topic's newest set, as its publisher signed it."""

    value: Annotated[str, Field(max_length=1024)]
    """The exact bytes, which are UTF-8."""
    signature: Annotated[str, Field(max_length=128)]
    """Base64."""
    key_id: Annotated[str, Field(max_length=128)]


class SignedEpochs(_Data):
    """Of the two policy topics."""

    namespace: SignedEpoch | None = None
    guardrail: SignedEpoch | None = None


Reached = Annotated[int, Field(ge=1, le=10**15)]
"""A count, by the power of ten that it has reached. What gates say is added up, and a sum beyond int64 could be written
to no status: one gate would keep a Policy from ever saying anything again."""

MOST_BYTES_OF_ONE = 256 * 1024
"""Of an ack as it is written, many times what a gate says that has much to say: of a longer one nothing is read."""
MAX_KEY_IDS = 16
MAX_RULE_ERRORS = 16
MAX_TIME_MS = 253_402_300_799_999
"""The end of the year 9999: no time is later than what can be read."""


class RuleErrors(_Data):
    """A rule that could not be evaluated for decisions, which denied them."""

    policy: PolicyRef
    rule: Annotated[str, Field(max_length=63)]
    at_least: Reached
    """Decisions since the gate has this revision: the power of ten that was reached, so that acks stay few."""
    message: Annotated[str, Field(max_length=512)] = ""
    """What the engine said the first time."""
    last_error_at_ms: Annotated[int | None, Field(ge=0, le=MAX_TIME_MS)] = None
    """The gate's clock at the last error, behind by at most five minutes so that acks stay few; None of a gate that
    does not say."""


MAX_REFUSED_EVENTS = 16


class RefusedEvents(_Data):
    """Events of one producer that are not what their contract promises, as the agent says that reads them."""

    topic: Annotated[str, Field(max_length=249)]
    """One of the agent's inputs or outcomes."""
    source: Annotated[str, Field(max_length=512)] = ""
    """``ce_source``, a claim; empty where it could not be read."""
    at_least: Reached
    """Events since the gate's process began: the power of ten that was reached, so that acks stay few."""
    reason: Annotated[str, Field(max_length=63)]
    """What is wrong with the one that reached it."""
    message: Annotated[str, Field(max_length=512)] = ""
    """The place in its data and what the contract demands there, never the data."""


class GateAck(_Data):
    """The state of one gate. A tombstone says that it is gone for good."""

    format: Literal[1] = 1
    namespace: str
    agent: str
    agent_uid: str
    pod: str
    state: GateState
    """``Starting``: nothing in force yet. ``InForce``: the newest set. ``Rejected``: a newer set was refused and the
    last good one (if any) stays. ``Stale``: nothing proves that the policies are up to date, so nothing is judged,
    or for long nothing could be committed. ``Stopped``: ended in order."""
    reason: str = ""
    """CamelCase, where the state is not ``InForce``; or why some decision types are denied under the set in force."""
    message: Annotated[str, Field(max_length=1024)] = ""
    namespace_epoch: Annotated[int, Field(ge=0)] = 0
    """Epoch in force; 0 where none is. Anybody may claim a number: ``proven_epoch`` believes only ``epochs``."""
    guardrail_epoch: Annotated[int, Field(ge=0)] = 0
    epochs: SignedEpochs | None = None
    """The records behind the two numbers; None of a gate that does not say."""
    formats: ReadFormats | None = None
    """What the gate reads; None: format 1 of everything."""
    key_ids: Annotated[
        tuple[Annotated[str, Field(max_length=128)], ...], Field(max_length=MAX_KEY_IDS, exclude_if=operator.not_)
    ] = ()
    """Ids of the public keys that the gate takes; none of a gate that does not say."""
    policies: tuple[PolicyRef, ...] = ()
    """Policies in force."""
    rule_errors: Annotated[tuple[RuleErrors, ...], Field(max_length=MAX_RULE_ERRORS, exclude_if=operator.not_)] = ()
    """Rules that err, those that do it most; left out where there are none."""
    refused_events: Annotated[
        tuple[RefusedEvents, ...], Field(max_length=MAX_REFUSED_EVENTS, exclude_if=operator.not_)
    ] = ()
    """Producers whose events agents refuse, those with the most; left out where there are none."""
    reported_at_ms: int
    """The gate's clock, milliseconds since 1970."""

    @property
    def key(self) -> bytes:
        return ack_key(self.agent, self.pod)

    def encode(self) -> bytes:
        return canonical.encode(self.model_dump(mode="json", by_alias=True, exclude_none=True))

    @property
    def reads(self) -> ReadFormats:
        """What the gate reads, said or not."""
        return self.formats or ReadFormats()


def ack_key(agent: str, pod: str) -> bytes:
    """Return the key of what the gate in a pod reports."""
    return f"{agent}/{pod}".encode()


def proven_epoch(echo: SignedEpoch | None, *, topic: str, cluster_id: str, verifier: Verifier) -> EpochRecord | None:
    """Return the epoch record that a gate has seen, where its signature proves it; else None.

    Args:
        echo: what the gate says of the topic.
        topic: the policy topic.
        cluster_id: Kafka's.
        verifier: knows the keys that are valid now.
    """
    if echo is None:
        return None
    key, value = EPOCH_KEY.encode(), echo.value.encode("utf-8", "surrogatepass")
    try:
        signature = base64.b64decode(echo.signature, validate=True)
        message = signed_message(cluster_id=cluster_id, topic=topic, key=key, value=value)
        record = decode_record(key, value) if verifier.verify(echo.key_id, signature, message) else None
    except (ValueError, PolicyLogError):  # no base64, or signed and of no format that is known
        return None
    return record if isinstance(record, EpochRecord) else None


def decode_ack(value: bytes) -> GateAck:
    """Read an ack.

    Raises:
        MalformedEventError: not strict JSON.
        ValidationError: not an ack.
    """
    return GateAck.model_validate(canonical.decode(value))
