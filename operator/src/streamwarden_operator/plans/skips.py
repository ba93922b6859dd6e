"""Which requested ranges of decisions a gate is told to pass over now, and what keeps it from the others. Pure."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from streamwarden_contract.models.skip import SkipRequest
from streamwarden_contract.policylog import SkipRange

from streamwarden_operator.ports import PartitionOffsets, Topic


@dataclass(frozen=True, slots=True)
class SkipPlan:
    """What becomes of an agent's ``skips``. What is done is in neither."""

    wanted: tuple[SkipRange, ...] = ()
    """For the binding."""
    refused: str = ""
    """Which are not passed over, and why, in words; empty where there is nothing to say."""
    too_early: tuple[str, ...] = ()
    """Digests of those that went beyond what was written, now or at an earlier pass: for the next pass."""


def plan_skips(
    requests: Sequence[SkipRequest], topic: Topic, observed: Sequence[PartitionOffsets], earlier: Collection[str] = ()
) -> SkipPlan:
    """Sort requests into done, wanted and refused.

    What was refused for coming too early is not wanted once the partition has come so far: nobody who asked has seen
    what was written since.

    Args:
        requests: of the agent.
        topic: its decision topic, as observed.
        observed: the topic's partitions, and what the gate's group has committed.
        earlier: digests of requests that came too early.
    """
    partitions = {each.partition: each for each in observed}
    wanted: list[SkipRange] = []
    refused: list[str] = []
    too_early: list[str] = []
    for request in requests:
        range_, found = SkipRange.model_validate(request.model_dump()), partitions.get(request.partition)
        if range_.digest in earlier or (
            request.topic_id == topic.topic_id and (found is None or request.to_offset >= found.high)
        ):
            too_early.append(range_.digest)
        if request.topic_id != topic.topic_id or found is None:
            refused += _of_another_topic(request, topic)
        elif found.committed is not None and found.committed > request.to_offset:
            continue
        elif range_.digest in too_early:
            refused.append(_beyond(request, found))
        else:
            wanted.append(range_)
    return SkipPlan(tuple(wanted), "; ".join(refused), tuple(too_early))


def _beyond(request: SkipRequest, found: PartitionOffsets) -> str:
    if request.to_offset >= found.high:
        return f"{_words(request)} goes beyond the end of the partition: only what is written is skipped"
    return (
        f"{_words(request)} was asked for before so much was written, and stays refused: look at what is there now, "
        "and edit it (another reason is enough)"
    )


def _of_another_topic(request: SkipRequest, topic: Topic) -> Iterator[str]:
    if request.topic_id == topic.topic_id:
        yield f"{_words(request)}: the topic has {topic.partitions} partitions"
    else:
        yield f"{_words(request)} is of the topic id {request.topic_id}; it is {topic.topic_id} now: take it out"


def _words(request: SkipRequest) -> str:
    return f"partition {request.partition}, {request.from_offset} to {request.to_offset}"
