"""Whose a contract's topic is before anything is done to it, and what taking it over would change. Pure."""

from dataclasses import dataclass

from streamwarden_contract.inventory import Stage, TopicItem
from streamwarden_contract.models import TopicContract

from streamwarden_operator.plans.topic_config import differing, is_of_tools
from streamwarden_operator.ports import Topic, TopicPlan

_MAX_SUMMARY = 1000
_FOR_EVER = -1
"""Of a retention."""


@dataclass(frozen=True, slots=True)
class Hold:
    """What this installation has to do with a topic."""

    config: frozenset[str] = frozenset()
    """Configurations that it has set."""
    adopted: str | None = None
    """What taking it over has changed; None where it was not taken over."""
    is_new: bool = False
    """Whether it was there, and is taken over only now: that is told before it is done."""


def hold_of(contract: TopicContract, item: TopicItem | None, desired: Topic, observed: Topic | None) -> Hold:
    """Tell whose a topic is.

    Args:
        contract: the contract.
        item: what the inventory has of its topic.
        desired: as the contract says.
        observed: as it is; None where there is none.
    """
    if observed is None:
        return Hold()
    if item is None:
        # Of an installation from before there were inventories the status knows the topic.
        return Hold(is_new=not contract.status.topic_id)
    if item.stage is Stage.INTENT:
        # It was absent when the intent was written. A crash may have left it made; else somebody was faster.
        return Hold(is_new=not _is_as_made(desired, observed))
    if item.topic_id != observed.topic_id:
        return Hold(is_new=not contract.status.topic_id)  # else it is told as drift: deleted, and made again
    if item.owner_uid != contract.metadata.uid:
        return Hold(adopted=item.adopted)  # of a contract before this one: nothing that it set is taken away
    return Hold(frozenset(item.config), item.adopted)


def describe_adoption(plan: TopicPlan, desired: Topic, observed: Topic) -> str:
    """Say what taking a topic over changes, with what it was before, and what stays as it is."""
    lost = [key for key, value in sorted(plan.set_config.items()) if _may_lose_records(key, value, observed)]
    parts = [f"grow to {plan.grow_to} partitions (from {observed.partitions})"] if plan.grow_to is not None else []
    parts += [f"set {key}={value} ({_was(key, observed)})" for key, value in sorted(plan.set_config.items())]
    said = ", ".join(parts) or "nothing has to be changed"
    if lost:
        said += f"; records may be deleted for it: {', '.join(lost)}"
    left = [f"{key}={value}" for key, value in sorted(observed.config.items()) if key not in desired.config]
    if left:
        said += f"; left as it is, as the contract does not name it: {', '.join(left)}"
    return said if len(said) <= _MAX_SUMMARY else f"{said[: _MAX_SUMMARY - 2]} …"


def topic_item(
    contract: TopicContract, hold: Hold, *, config: frozenset[str], stage: Stage, topic_id: str
) -> TopicItem:
    """Build the record of a contract's topic."""
    metadata = contract.metadata
    return TopicItem(
        topic=contract.spec.topic_name,
        namespace=metadata.namespace,
        contract=metadata.name,
        owner_uid=metadata.uid,
        topic_id=topic_id,
        config=tuple(sorted(config)),
        adopted=hold.adopted,
        stage=stage,
    )


def is_held(contract: TopicContract, item: TopicItem | None, desired: Topic, observed: Topic) -> bool:
    """Tell whether a topic is the one that the contract has promised, and not another one of its name."""
    if item is not None and item.owner_uid == contract.metadata.uid:
        if item.stage is Stage.INTENT:
            return _is_as_made(desired, observed)
        return item.topic_id == observed.topic_id
    return contract.status.topic_id == observed.topic_id


def _is_as_made(desired: Topic, observed: Topic) -> bool:
    named = set(desired.config) == {key for key in observed.config if not is_of_tools(key)}
    return desired.partitions == observed.partitions and named and not differing(desired.config, observed)


def _was(key: str, observed: Topic) -> str:
    if key in observed.config:
        return f"was {observed.config[key]}"
    return f"was the broker's default, {observed.defaults[key]}" if key in observed.defaults else "was not set"


def _may_lose_records(key: str, value: str, observed: Topic) -> bool:
    """Tell whether brokers may delete records for a change; in doubt it is said."""
    if key == "cleanup.policy":
        return True
    if key not in {"retention.ms", "retention.bytes", "local.retention.ms", "local.retention.bytes"}:
        return False
    try:
        now, before = int(value), int(observed.config.get(key, observed.defaults.get(key, str(_FOR_EVER))))
    except ValueError:
        return True
    return now >= 0 and (before < 0 or now < before)
