"""What has to change so that a topic is as desired."""

from collections.abc import Collection
from dataclasses import replace

from streamwarden_operator.errors import UnsupportedChangeError
from streamwarden_operator.plans.topic_config import differing, is_of_tools
from streamwarden_operator.ports import Topic, TopicPlan


def plan_topic(
    desired: Topic, observed: Topic | None, *, keyed: bool, ours: Collection[str] | None = None
) -> TopicPlan:
    """Compare one desired topic with what the cluster has.

    Args:
        desired: the topic as it should be.
        observed: the topic as it is, None where there is none.
        keyed: whether records have keys: then the partition count never changes.
        ours: configurations that this installation has set, and takes away where they are not desired any more; None:
            the topic is its own, and carries nothing but what is desired and what tools and brokers manage.

    Raises:
        UnsupportedChangeError: fewer partitions, more of them on a keyed topic, or another replication factor than
            the one that is asked for.
    """
    if observed is None:
        return TopicPlan(create=desired)
    _check_partitions(desired, observed, keyed=keyed)
    if desired.replication_factor not in {None, observed.replication_factor}:
        raise UnsupportedChangeError(
            f"topic {desired.name!r} has {observed.replication_factor} replicas; {desired.replication_factor} need a "
            "reassignment: make it with Kafka's own tools, or leave 'replicas' out"
        )
    return TopicPlan(
        grow_to=desired.partitions if desired.partitions > observed.partitions else None,
        set_config=differing(desired.config, observed),
        unset_config=frozenset(
            key
            for key in observed.config
            if key not in desired.config and not is_of_tools(key) and (ours is None or key in ours)
        ),
    )


def keep_partitions(desired: Topic, observed: Topic | None) -> Topic:
    """Return the desired topic with the partitions it already has: of decision topics they are fixed at creation."""
    return desired if observed is None else replace(desired, partitions=observed.partitions)


def describe_plan(plan: TopicPlan) -> str:
    """Say in a few words what a plan changes; empty when it changes nothing."""
    parts: list[str] = []
    if plan.create is not None:
        parts.append("create the topic")
    if plan.grow_to is not None:
        parts.append(f"grow to {plan.grow_to} partitions")
    parts.extend(f"set {key}={value}" for key, value in sorted(plan.set_config.items()))
    parts.extend(f"unset {key}" for key in sorted(plan.unset_config))
    return ", ".join(parts)


def _check_partitions(desired: Topic, observed: Topic, *, keyed: bool) -> None:
    if desired.partitions < observed.partitions:
        raise UnsupportedChangeError(
            f"topic {desired.name!r} has {observed.partitions} partitions and cannot shrink to {desired.partitions}: "
            f"write partitions: {observed.partitions}, or make a new contract"
        )
    if keyed and desired.partitions > observed.partitions:
        raise UnsupportedChangeError(
            f"topic {desired.name!r} has {observed.partitions} partitions; with {desired.partitions} its keys would "
            f"move and lose their order: write partitions: {observed.partitions}, or make a new contract"
        )
