"""What becomes of an order to adopt or to release: each thing looked at, and done or refused with its reason. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from streamwarden_contract.inventory import (
    INSTALLATION_KEY,
    InstallationItem,
    Item,
    NamespaceItem,
    Stage,
    SubjectItem,
    TopicItem,
    UserItem,
    namespace_key,
)
from streamwarden_contract.inventory_requests import Action, InventoryRequest, ItemAnswer, Outcome
from streamwarden_contract.names import SYSTEM, AgentNames, NamespaceNames, is_dns_label

from streamwarden_operator.plans.inventory import Ownership, Signers, own_namespace

_USER_PARTS = 3


@dataclass(frozen=True, slots=True)
class Living:
    """What there is in a namespace that is watched, whether this version can read it or not."""

    agents: Mapping[str, str] = field(default_factory=dict)
    """UIDs by name."""
    contracts: frozenset[str] = frozenset()
    policies: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.agents or self.contracts or self.policies)


@dataclass(frozen=True, slots=True)
class Observed:
    """All that the decision needs."""

    items: Mapping[str, Item]
    """The inventory, by key."""
    covers: Callable[[str], bool]
    """Whether the operator watches a namespace."""
    living: Mapping[str, Living]
    """By namespace, of those that are watched."""
    users: frozenset[str]
    """SCRAM users of Kafka."""
    signers: Mapping[str, Signers]
    """By namespace that has a policy topic: of that one."""
    trusted: frozenset[str]
    """Principals that are trusted, the operator's own among them."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do about one thing, and what to say of it."""

    answer: ItemAnswer
    write: Item | None = None
    forget: Item | None = None


class _RefusedError(Exception):
    """The message says why."""


def namespaces_of(request: InventoryRequest, items: Mapping[str, Item]) -> frozenset[str]:
    """Return the namespaces that a request is about."""
    found = (_namespace_of(key, items) for key in request.items)
    return frozenset(namespace for namespace in found if is_dns_label(namespace))


def plan_request(request: InventoryRequest, observed: Observed) -> tuple[Step, ...]:
    """Decide on each thing that a request names, once, in the order in which it can be done.

    Namespaces are adopted before what lies in them, and released after it.
    """
    adopts = request.action is Action.ADOPT
    keys = sorted(set(request.items), key=lambda key: (key.startswith("namespace/") is not adopts, key))
    items = dict(observed.items)
    steps = []
    for key in keys:
        try:
            step = _adopt(key, items, observed) if adopts else _release(key, items, observed, request)
        except _RefusedError as error:
            step = Step(ItemAnswer(item=key, outcome=Outcome.REFUSED, message=str(error)))
        if step.write is not None:
            items[key] = step.write
        if step.forget is not None:
            del items[key]
        steps.append(step)
    return tuple(steps)


def _adopt(key: str, items: Mapping[str, Item], observed: Observed) -> Step:
    kind, _, name = key.partition("/")
    known = items.get(key)
    _check_not_own(key)
    match kind:
        case "namespace":
            made: NamespaceItem | UserItem = _adopted_namespace(name, known, observed)
            then = "what lies in it can be adopted now"
        case "user":
            made = _adopted_user(name, known, items, observed)
            then = _what_follows(made, observed)
        case "topic" | "subject":
            raise _RefusedError("a TopicContract takes it over, as it is: apply one that names it")
        case _:
            raise _RefusedError("nothing that can be adopted: say namespace/NAME or user/NAME")
    if known == made:
        return Step(ItemAnswer(item=key, outcome=Outcome.UNCHANGED, message="it is this installation's already"))
    return Step(ItemAnswer(item=key, outcome=Outcome.DONE, message=f"this installation's; {then}"), write=made)


def _adopted_namespace(namespace: str, known: Item | None, observed: Observed) -> NamespaceItem:
    _check_namespace(namespace)
    if not observed.covers(namespace):
        raise _RefusedError("this operator does not watch the namespace (STREAMWARDEN_WATCH_NAMESPACES)")
    item = known if isinstance(known, NamespaceItem) else None
    signers, topic = observed.signers.get(namespace), NamespaceNames(namespace).policies
    match own_namespace(item, signers):
        case Ownership.NEW:
            raise _RefusedError(f"Kafka has no topic {topic!r}: nobody has the namespace, and nothing is to be adopted")
        case Ownership.FOREIGN if signers and signers.strangers:
            by = ", ".join(sorted(signers.strangers))
            raise _RefusedError(f"the topic {topic!r} is signed by {by}: another installation has it (NamespaceTaken)")
        case Ownership.FOREIGN if signers and not signers.empty:
            raise _RefusedError(f"nothing on the topic {topic!r} is signed by this installation (NamespaceTaken)")
        case Ownership.FOREIGN | Ownership.OURS:
            made = item or NamespaceItem(namespace=namespace, stage=Stage.MADE)
            return made.model_copy(update={"stage": Stage.MADE})


def _adopted_user(user: str, known: Item | None, items: Mapping[str, Item], observed: Observed) -> UserItem:
    parts = user.split(".")
    if len(parts) != _USER_PARTS or parts[2] not in {"agent", "gate"} or not all(map(is_dns_label, parts)):
        raise _RefusedError("no user of an agent or a gate: these are NAMESPACE.AGENT.agent and NAMESPACE.AGENT.gate")
    names = AgentNames(parts[0], parts[1])
    _check_namespace(names.namespace)
    if f"User:{user}" in observed.trusted:
        raise _RefusedError("it is the operator's own, or trusted (STREAMWARDEN_TRUSTED_PRINCIPALS)")
    if not observed.covers(names.namespace):
        raise _RefusedError(f"this operator does not watch the namespace {names.namespace!r}")
    namespace = items.get(namespace_key(names.namespace))
    if not isinstance(namespace, NamespaceItem) or namespace.stage is not Stage.MADE:
        raise _RefusedError(f"the namespace {names.namespace!r} is not this installation's: adopt that first")
    if isinstance(known, UserItem) and known.stage is Stage.MADE:
        return known
    if user not in observed.users:
        raise _RefusedError("Kafka has no SCRAM user of this name")
    uid = observed.living.get(names.namespace, Living()).agents.get(names.agent, "")
    return UserItem(user=user, namespace=names.namespace, agent=names.agent, owner_uid=uid, stage=Stage.MADE)


def _what_follows(made: NamespaceItem | UserItem, observed: Observed) -> str:
    if isinstance(made, UserItem) and made.agent in observed.living.get(made.namespace, Living()).agents:
        return f"the AgentDeployment {made.namespace}/{made.agent} wants it: it is given the password of its Secret"
    return "no AgentDeployment wants it: it is deleted now, with its ACLs and quotas"


def _release(key: str, items: Mapping[str, Item], observed: Observed, request: InventoryRequest) -> Step:
    _check_not_own(key)
    item = items.get(key)
    if item is None:
        return Step(ItemAnswer(item=key, outcome=Outcome.UNCHANGED, message="the inventory does not have it"))
    if isinstance(item, InstallationItem):
        raise _RefusedError("it is the operator's own")
    if not observed.covers(item.namespace) and not request.unwatched:
        raise _RefusedError(
            f"this operator does not watch the namespace {item.namespace!r}, and cannot tell who uses it: where you "
            "know that nobody does, say --unwatched"
        )
    if user := _user_of(item, items, observed.living.get(item.namespace, Living())):
        raise _RefusedError(f"{user}: take that away first")
    left = "it stays in Kafka as it is, and is nobody's"
    if isinstance(item, SubjectItem):
        left = "it stays in the schema registry as it is, and is nobody's"
    if isinstance(item, NamespaceItem):
        left = f"{NamespaceNames(item.namespace).policies!r} stays: once it is deleted others can have the namespace"
    return Step(ItemAnswer(item=key, outcome=Outcome.DONE, message=left), forget=item)


def _user_of(item: Item, items: Mapping[str, Item], living: Living) -> str:
    """Say which living thing uses it; empty where none does."""
    match item:
        case UserItem() if item.agent in living.agents:
            return f"the AgentDeployment {item.namespace}/{item.agent} uses it"
        case TopicItem() | SubjectItem() if item.contract in living.contracts:
            return f"the TopicContract {item.namespace}/{item.contract} uses it"
        case NamespaceItem() if living:
            return f"{next(_named(item.namespace, living))} lies in it"
        case NamespaceItem():
            inside = sorted(key for key, other in items.items() if key != item.key and _lies_in(other, item.namespace))
            return f"the inventory has {inside[0]}, which lies in it" if inside else ""
        case _:
            return ""


def _named(namespace: str, living: Living) -> Iterator[str]:
    yield from (f"the AgentDeployment {namespace}/{name}" for name in sorted(living.agents))
    yield from (f"the TopicContract {namespace}/{name}" for name in sorted(living.contracts))
    yield from (f"the Policy {namespace}/{name}" for name in sorted(living.policies))


def _lies_in(item: Item, namespace: str) -> bool:
    return not isinstance(item, InstallationItem) and item.namespace == namespace


def _namespace_of(key: str, items: Mapping[str, Item]) -> str:
    item = items.get(key)
    if item is not None and not isinstance(item, InstallationItem):
        return item.namespace
    kind, _, name = key.partition("/")
    return name if kind == "namespace" else name.partition(".")[0]


def _check_not_own(key: str) -> None:
    if key in {INSTALLATION_KEY, namespace_key(SYSTEM)}:
        raise _RefusedError("it is the operator's own")


def _check_namespace(namespace: str) -> None:
    if not is_dns_label(namespace):
        raise _RefusedError(f"{namespace!r} is no namespace's name")
    if namespace == SYSTEM:
        raise _RefusedError("it is the operator's own")
