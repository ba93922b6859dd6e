"""Where a contract stands: the conditions of its three parts, and DriftDetected."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from streamwarden_contract.models import Condition, TopicContract
from streamwarden_contract.models.topic_contract import RefusedSource
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.desired.checks.chain import HOLDS, Finding, decide, failure
from streamwarden_operator.desired.status import is_true, shorten
from streamwarden_operator.errors import OperatorError, UnavailableError, UnsupportedChangeError
from streamwarden_operator.ports import Topic

TOPIC_READY = "TopicReady"
ACCESS_READY = "AccessReady"
DRIFT_DETECTED = "DriftDetected"
EVENTS_REFUSED = "EventsRefused"
_MAX_SHOWN = 3
_MAX_SOURCE, _MAX_WHY = 80, 120


@dataclass(frozen=True, slots=True)
class Part:
    """What became of one part."""

    condition: Condition
    drift: str = ""
    """What was found changed behind our back, empty where nothing was."""
    outage: UnavailableError | None = None
    """Why another reconcile is due soon."""


# --- TopicReady, SchemaReady, AccessReady ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """What reconciling one part came to."""

    settled: bool
    """Whether this very spec was in force already: then whatever differed was changed by somebody else."""
    changes: str = ""
    """What was changed, in a few words; empty where nothing was."""
    error: OperatorError | None = None
    """Why it is not as the contract says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState(PartState):
    """The contract's topic."""

    topic: Topic | None = None
    """As it is now."""
    known_id: str = ""
    """Its id as the status has it; empty for a topic that is new to the contract."""
    adopted: str | None = None
    """What taking it over has changed; None where it was made for a contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState(PartState):
    """The contract's schema."""

    wanted: bool = True
    """Whether the contract has one."""
    registry: bool = True
    """Whether a schema registry is configured."""
    withheld: Finding | None = None
    """Why the schema is not taken, whatever the registry would say."""
    version: int = 0
    """Its version within the subject."""
    latest: int = 0
    """The subject's latest version."""
    said_before: str = ""
    """What was said of the schema last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessState(PartState):
    """The ACLs of principals outside Streamwarden."""

    wanted: bool = True
    """Whether there are any, or were."""


P = TypeVar("P", bound=PartState)


def is_settled(contract: TopicContract, kind: str) -> bool:
    """Tell whether this very spec was in force already, by the condition of one part."""
    status = contract.status
    return status.observed_generation == contract.metadata.generation and is_true(status.conditions, kind)


def it_is_not_as_the_contract_says(part: PartState) -> Finding | None:
    return None if part.error is None else failure(part.error)


def the_topic_is_there(part: TopicState) -> Finding | None:
    if part.topic is None:
        return None
    message = f"{part.topic.partitions} partitions, {part.topic.replication_factor} replicas"
    if part.adopted is None:
        return Finding("True", ConditionReason.OK, message)
    return Finding(
        "True", ConditionReason.ADOPTED, f"{message}; it was there before, and was taken over: {part.adopted}"
    )


def it_must_not_be_in_force(part: SchemaState) -> Finding | None:
    return part.withheld


def there_is_no_schema(part: SchemaState) -> Finding | None:
    return None if part.wanted else Finding("True", ConditionReason.OK, "the contract has no schema")


def there_is_no_registry(part: SchemaState) -> Finding | None:
    if part.registry:
        return None
    message = "no schema registry is configured: gates judge by the schema, nobody checks its compatibility"
    return Finding("Unknown", ConditionReason.REGISTRY_UNAVAILABLE, message)


def another_one_is_the_latest(part: SchemaState) -> Finding | None:
    if part.error is not None or part.version >= part.latest:
        return None
    message = (
        f"registered as version {part.version}; the subject's latest is version {part.latest}, which is another "
        "schema: a registry keeps one version a schema and makes none anew. Whoever asks for 'latest' gets that one"
    )
    return Finding("True", ConditionReason.OK, message)


def nobody_outside_has_access(part: AccessState) -> Finding | None:
    return None if part.wanted else Finding("True", ConditionReason.OK, "nobody outside Streamwarden has access")


TOPIC = (it_is_not_as_the_contract_says, the_topic_is_there)
SCHEMA = (
    it_must_not_be_in_force,
    there_is_no_schema,
    there_is_no_registry,
    it_is_not_as_the_contract_says,
    another_one_is_the_latest,
)
ACCESS = (nobody_outside_has_access, it_is_not_as_the_contract_says)


# --- what is in force and would not go on with a new schema ----------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewSchema:
    """A contract's schema, before it is registered."""

    taken: bool
    """Whether gates may judge by it already."""
    log_read: bool
    """Whether it is known what is in force in the namespace."""
    commanded: bool
    """Whether agents' commands may go to the topic."""
    broken: str
    """Rules that would not check with it any more; empty where there are none."""


def it_is_not_known_what_is_in_force(schema: NewSchema) -> Finding | None:
    if schema.log_read or schema.taken or not schema.commanded:
        return None
    return Finding("Unknown", ConditionReason.PENDING, "waits until it is known which policies are in force")


def rules_in_force_would_break(schema: NewSchema) -> Finding | None:
    if not schema.broken:
        return None
    message = (
        f"rules that check with the schema in force would not with this one: {schema.broken}. It is not registered, "
        "and gates go on judging by the one in force: mend the rules or the schema"
    )
    return Finding("False", ConditionReason.BREAKS_POLICIES, message)


NEW_SCHEMA = (it_is_not_known_what_is_in_force, rules_in_force_would_break)


# --- the drift of one part: all that is found counts, and not only the first -----------------------------------


def it_cannot_be_put_back(part: PartState) -> str:
    """Find what nobody can change back: it differs from the contract until somebody edits one of them."""
    return str(part.error) if isinstance(part.error, UnsupportedChangeError) else ""


def it_was_put_back(part: PartState) -> str:
    return f"put back: {part.changes}" if part.settled and part.changes else ""


def the_topic_is_another_one(part: PartState) -> str:
    if not isinstance(part, TopicState) or part.topic is None or part.known_id in {"", part.topic.topic_id}:
        return ""
    return (
        f"the topic was deleted and made again (id {part.known_id}, now {part.topic.topic_id}): its records are lost, "
        "and offsets that consumers committed speak of the old one"
    )


def somebody_registered_another_schema(part: PartState) -> str:
    """Find a latest version that the contract has not made; what an edit back to an older one leaves is none."""
    if not isinstance(part, SchemaState) or not part.settled:
        return ""
    said = another_one_is_the_latest(part)
    if said is None or said.message == part.said_before:
        return ""
    return f"somebody registered another schema, version {part.latest}, which cannot be put back"


PART_DRIFT = (
    it_cannot_be_put_back,
    it_was_put_back,
    the_topic_is_another_one,
    somebody_registered_another_schema,
)


def judge_part(kind: str, checks: Sequence[Callable[[P], Finding | None]], state: P) -> Part:
    """Return what is said of one part: its condition, its drift, and whether it is tried again soon."""
    drift = "; ".join(found for check in PART_DRIFT if (found := check(state)))
    outage = state.error if isinstance(state.error, UnavailableError) else None
    return Part(decide(kind, checks, state, otherwise=HOLDS), drift, outage)


# --- DriftDetected ---------------------------------------------------------------------------------------------


def something_was_changed(parts: Sequence[Part]) -> Finding | None:
    found = [part.drift for part in parts if part.drift]
    return Finding("True", ConditionReason.DRIFTED, "; ".join(found)) if found else None


def something_could_not_be_compared(parts: Sequence[Part]) -> Finding | None:
    return next((failure(part.outage) for part in parts if part.outage is not None), None)


DRIFT = (something_was_changed, something_could_not_be_compared)
NO_DRIFT = Finding("False", ConditionReason.IN_SYNC)


# --- EventsRefused ---------------------------------------------------------------------------------------------


def events_are_refused(sources: Sequence[RefusedSource]) -> Finding | None:
    if not sources:
        return None
    said = "; ".join(_of_source(found) for found in sources[:_MAX_SHOWN])
    more = f"; and {len(sources) - _MAX_SHOWN} more in status.refusedEvents" if len(sources) > _MAX_SHOWN else ""
    message = (
        f"{said}{more}. No handler sees these events, and each is a dead letter of its agent: mend the producer, or "
        "the contract where it asks too much"
    )
    return Finding("True", ConditionReason.EVENTS_REFUSED, message)


def _of_source(found: RefusedSource) -> str:
    whose = f"source {shorten(found.source, _MAX_SOURCE)!r}" if found.source else "no source that could be read"
    return f"{whose}: {found.at_least} or more ({found.reason}, as in: {shorten(found.message, _MAX_WHY)})"


REFUSING = (events_are_refused,)
