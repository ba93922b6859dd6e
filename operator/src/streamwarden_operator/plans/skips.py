"""Which requested ranges of decisions a gate is told to pass over now, and what keeps it from the others. Pure."""

from collections.abc import Iterator, Sequence
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


def plan_skips(requests: Sequence[SkipRequest], topic: Topic, observed: Sequence[PartitionOffsets]) -> SkipPlan:
    """Sort requests into done, wanted and refused.

    Each request says itself how much was written when it was made, so nothing has to be remembered of those that came
    too early. No words name an offset of now: they go into a condition, and would be new with every pass.

    Args:
        requests: of the agent.
        topic: its decision topic, as observed.
        observed: the topic's partitions, and what the gate's group has committed.
    """
    partitions = {each.partition: each for each in observed}
    wanted: list[SkipRange] = []
    refused: list[str] = []
    for request in requests:
        found = partitions.get(request.partition)
        if request.topic_id != topic.topic_id or found is None:
            refused += _of_another_topic(request, topic)
        elif found.committed is not None and found.committed > request.to_offset:
            continue
        elif request.to_offset < request.seen_end_offset <= found.high:
            wanted.append(SkipRange.model_validate(request.model_dump(exclude={"seen_end_offset"})))
        else:
            refused.append(
                f"{_words(request)} is more than was written (toOffset is below seenEndOffset, and that at most the "
                "partition's end): only what is written is skipped"
            )
    return SkipPlan(tuple(wanted), "; ".join(refused))


def _of_another_topic(request: SkipRequest, topic: Topic) -> Iterator[str]:
    if request.topic_id == topic.topic_id:
        yield f"{_words(request)}: the topic has {topic.partitions} partitions"
    else:
        yield f"{_words(request)} is of the topic id {request.topic_id}; it is {topic.topic_id} now: take it out"


def _words(request: SkipRequest) -> str:
    return f"partition {request.partition}, {request.from_offset} to {request.to_offset}"
