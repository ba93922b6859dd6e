"""Whether a topic that agents share is the one that was made. Pure."""

from collections.abc import Collection, Mapping

from streamwarden_operator.desired.names import ACCEPT_LOSS_ANNOTATION, say_missed
from streamwarden_operator.ports import Topic


def lost_topics(known: Mapping[str, str], observed: Mapping[str, Topic], wanted: Collection[str]) -> dict[str, str]:
    """Return the topics that were made and are not there, or are others: the id of each as it was, by name.

    Args:
        known: ids by name, as the inventory has them; of a topic without an entry nothing is known.
        observed: the topics that exist.
        wanted: names of those that should.
    """
    there = {name: topic.topic_id for name, topic in observed.items()}
    return {name: known[name] for name in sorted(wanted) if name in known and there.get(name, "") != known[name]}


def describe_loss(lost: Mapping[str, str], namespace: str, accepted: Collection[str] = ()) -> str:
    """Say what is lost, and how people end it; empty where nothing is.

    Args:
        lost: ids by name.
        namespace: which one is to be annotated.
        accepted: what its annotation says and is none of these.
    """
    if not lost:
        return ""
    listed = ", ".join(f"{name} (id {topic_id})" for name, topic_id in lost.items())
    missed = say_missed(ACCEPT_LOSS_ANNOTATION, accepted)
    return (
        f"deleted, or made again by somebody else: {listed}. Nothing of it is made again before people have looked: "
        f"find out who did it, and restore what can be. {missed}To end it with an empty topic: "
        f"kubectl annotate namespace {namespace} --overwrite {ACCEPT_LOSS_ANNOTATION}={','.join(lost.values())}"
    )
