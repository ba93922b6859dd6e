"""Where the gate's group has to start on a decision topic. What was lost is reported, never guessed."""

from collections.abc import Mapping, Sequence

from streamwarden_contract.audit import ChainError, ChainHead, parse_metadata
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.errors import NotReadyError
from streamwarden_operator.ports import PartitionOffsets, Topic


def plan_offsets(topic: Topic, observed: Sequence[PartitionOffsets]) -> Mapping[int, tuple[int, str]]:
    """Return (offset, metadata) to commit, by partition: 0 for each one that never held a record.

    Args:
        topic: the decision topic, as observed: its id is part of the metadata.
        observed: its partitions, and what the gate's group has committed.

    Raises:
        NotReadyError: ``OffsetsLost``: a partition that has, or had, records and no usable committed position.
    """
    lost = [text for text in (_what_is_lost(partition, topic.topic_id) for partition in observed) if text]
    if lost:
        raise NotReadyError(
            f"topic {topic.name!r}: {'; '.join(lost)}. Nobody may guess where the gate goes on: restore the group's "
            "offsets with their metadata, or delete the agent and its decision topic and make both again",
            reason=ConditionReason.OFFSETS_LOST,
        )
    first = 0, ChainHead().metadata(topic.topic_id, 0)
    return {partition.partition: first for partition in observed if partition.committed is None}


def epochs_seen(topic: Topic, observed: Sequence[PartitionOffsets]) -> tuple[int, int]:
    """Return the highest epochs of namespace and guardrails that a gate has judged under; 0 where it has not."""
    heads = [ChainHead()]
    for each in observed:
        if each.committed is not None:
            try:
                heads.append(parse_metadata(each.metadata, topic_id=topic.topic_id, offset=each.committed))
            except ChainError:
                continue
    return max(head.namespace_epoch for head in heads), max(head.guardrail_epoch for head in heads)


def _what_is_lost(found: PartitionOffsets, topic_id: str) -> str:
    """Say what is wrong with a partition, empty where nothing is; without figures that move: each would be news."""
    where = f"partition {found.partition}"
    if found.committed is None:
        return f"{where} has had records and no committed offset" if found.high > 0 else ""
    if found.committed > found.high:
        return f"{where} ends before the committed offset {found.committed}: it was made anew"
    if found.committed < found.low:
        return f"{where} begins after the committed offset {found.committed}: decisions were deleted"
    try:
        parse_metadata(found.metadata, topic_id=topic_id, offset=found.committed)
    except ChainError as error:
        return f"{where} has a committed offset without the head of its audit chain: {error}"
    return ""
