"""What a change wakes."""

from dataclasses import replace
from typing import Any

import pytest
from streamwarden_contract.acks import GateAck, RefusedEvents
from streamwarden_contract.models import AgentDeployment, Condition, TopicContract
from streamwarden_contract.names import InstallationNames
from streamwarden_contract.policylog import BindingRecord, BoundPolicyRef
from streamwarden_operator.errors import KafkaUnavailableError
from streamwarden_operator.keys import Key
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.reconcilers.policies.log_store import LogStore, PublishedLog
from streamwarden_operator.wiring.waking import Waker, dependents_of, dependents_of_publication
from support.fakes import FakeCluster
from support.manifests import part_of
from support.operator_harness import agent, contract, policy
from typing_extensions import override

RIVAL = contract("rival", topicName="risk.pages")
CONTRACTS = (contract("pages"), RIVAL, contract("unused"), contract("commands"))

READS = policy("reads", paramsFrom={"configMapKeyRef": {"name": "limits", "key": "limits.yaml"}})


def key(kind: str, name: str = "") -> Key:
    return Key(kind, "risk", name)  # type: ignore[arg-type]  # one of the kinds


@pytest.mark.parametrize(
    ("changed", "woken"),
    [
        pytest.param(
            key("TopicContract", "pages"),
            {key("AgentDeployment", "guard"), key("TopicContract", "rival")},
            id="a-contract-wakes-agents-that-refer-to-it-and-rivals-for-its-topic",
        ),
        pytest.param(key("TopicContract", "unused"), set(), id="an-unused-contract-wakes-nobody"),
        pytest.param(
            key("TopicContract", "gone"),
            {key("TopicContract", c.metadata.name) for c in CONTRACTS},
            id="a-deleted-contract-wakes-all-others-since-one-may-have-waited-for-its-topic",
        ),
        pytest.param(key("Policy", "strict"), {key("PolicyLog")}, id="a-policy-wakes-the-log"),
        pytest.param(
            key("ConfigMap", "limits"),
            {key("PolicyLog"), key("Policy", "reads")},
            id="a-config-map-wakes-the-log-and-the-policies-that-have-their-data-in-it",
        ),
        pytest.param(key("ConfigMap", "other"), set(), id="a-config-map-that-nobody-reads-wakes-nobody"),
        pytest.param(
            key("AgentDeployment", "guard"),
            {key("Namespace"), key("TopicContract", "commands")},
            id="an-agent-wakes-the-contracts-of-its-commands-which-may-not-have-producers-now",
        ),
        pytest.param(
            key("PolicyLog"),
            {key("Policy", "strict"), key("AgentDeployment", "guard")},
            id="the-log-wakes-all-it-binds",
        ),
        pytest.param(key("Namespace"), {key("AgentDeployment", "guard")}, id="shared-topics-wake-agents"),
    ],
)
def test_a_change_wakes_what_depends_on_it(changed: Key, woken: set[Key]) -> None:
    policies = [policy("strict")] if changed.kind != "ConfigMap" else [policy("strict"), READS]
    assert dependents_of(changed, [agent()], policies, CONTRACTS) == woken


def bound(name: str, *policies: str) -> BindingRecord:
    """Return a binding that names these policies, all else the same."""
    refs = tuple(part_of(BoundPolicyRef, namespace="risk", name=policy, revision=1) for policy in policies)
    rest = dict.fromkeys(BindingRecord.model_fields, "")
    return part_of(BindingRecord, **{**rest, "agent": name, "agent_uid": f"uid-{name}", "policies": refs})


def log(*bindings: BindingRecord, withheld: tuple[str, ...] = ()) -> PublishedLog:
    state = LogState(bindings={record.agent: record for record in bindings})
    return PublishedLog(state, dict.fromkeys(withheld, ("strict",)))


@pytest.mark.parametrize(
    ("before", "after", "woken"),
    [
        pytest.param(log(bound("a", "x")), log(bound("a", "x")), set(), id="the-same-again-wakes-nobody"),
        pytest.param(
            log(bound("a", "x")),
            log(bound("a", "x"), bound("b", "y")),
            {key("AgentDeployment", "b"), key("Policy", "y")},
            id="a-new-binding-wakes-its-agent-and-its-policies-and-no-other-agent",
        ),
        pytest.param(
            log(bound("a", "x")),
            log(),
            {key("AgentDeployment", "a"), key("Policy", "x")},
            id="a-binding-that-is-gone-wakes-whom-it-named",
        ),
        pytest.param(
            log(bound("a", "x")),
            log(bound("a", "y")),
            {key("AgentDeployment", "a"), key("Policy", "x"), key("Policy", "y")},
            id="policies-that-are-bound-no-more-are-woken-too",
        ),
        pytest.param(log(withheld=("a",)), log(), {key("AgentDeployment", "a")}, id="what-is-withheld-no-more-is-news"),
    ],
)
def test_a_publication_wakes_whom_it_concerns(before: PublishedLog, after: PublishedLog, woken: set[Key]) -> None:
    assert dependents_of_publication("risk", before, after) == woken


class World:
    """A namespace with one agent, its log, and what was woken since it was asked last."""

    def __init__(self) -> None:
        self.cluster, self.logs = FakeCluster(), LogStore(InstallationNames())
        for resource in (agent(), policy("strict"), *CONTRACTS):
            self.cluster.put(resource)
        self.logs.topics_ready.add("risk")
        self.logs.published["risk"] = log(bound("guard", "strict"))
        self._woken: list[Key] = []
        self.last: list[Key] = []
        """Those for whom nobody waits."""
        self.paces_s: dict[Key, float] = {}
        self.waker = Waker(self.cluster, self.logs, self._woken.append, self._note_paced, self._note_last)

    def _note_last(self, key: Key, after_s: float) -> None:
        self.last.append(key)
        self.paces_s[key] = after_s

    def _note_paced(self, key: Key, pace_s: float) -> None:
        self._woken.append(key)
        self.paces_s[key] = pace_s

    def woken(self) -> list[Key]:
        found = list(self._woken)
        self._woken.clear()
        return found

    def say(self, pod: str = "guard-1", state: str = "InForce", at_ms: int = 1) -> list[Key]:
        said = GateAck.model_validate(
            {
                "namespace": "risk",
                "agent": "guard",
                "agent_uid": "u",
                "pod": pod,
                "state": state,
                "reported_at_ms": at_ms,
            }
        )
        self.waker.acknowledged("risk", "guard", pod, said)
        return self.woken()


@pytest.fixture
def world() -> World:
    return World()


def test_an_edited_policy_wakes_the_log_before_itself(world: World) -> None:
    world.waker.changed(key("Policy", "strict"))
    assert world.woken() == [key("PolicyLog"), key("Policy", "strict"), key("PolicyLog")]


def test_of_a_log_that_cannot_be_read_its_policies_say_so_and_nobody_asks_for_the_next_try(world: World) -> None:
    """An agent that was woken would wake its namespace, and that the log, before its time; and again, and again."""
    world.waker.log_unread("risk")
    assert world.woken() == [key("Policy", "strict")]


def test_a_change_wakes_the_namespace_until_its_topics_are_ready(world: World) -> None:
    world.waker.changed(key("TopicContract", "unused"))
    assert world.woken() == [key("TopicContract", "unused")]
    world.logs.topics_ready.clear()
    world.waker.changed(key("TopicContract", "unused"))
    assert world.woken() == [key("Namespace"), key("TopicContract", "unused")]


def test_an_ack_wakes_the_policies_each_time_and_the_agent_when_its_state_is_another(world: World) -> None:
    agent_key, policy_key = key("AgentDeployment", "guard"), key("Policy", "strict")
    assert world.say() == [policy_key, agent_key]
    assert world.say(at_ms=2) == [policy_key]
    assert world.say("guard-2") == [policy_key, agent_key]
    assert world.say(state="Stopped", at_ms=3) == [policy_key, agent_key]


@pytest.mark.parametrize(
    ("agents", "pace_s"),
    [
        pytest.param(1, 0.001, id="that-binds-one-agent-says-at-once-how-far-it-is"),
        pytest.param(100, 0.1, id="that-binds-a-hundred-counts-their-gates-ten-times-a-second"),
        pytest.param(3_000, 0.5, id="of-thousands-is-told-twice-a-second"),
    ],
)
def test_a_policy(world: World, agents: int, pace_s: float) -> None:
    names = ["guard", *(f"guard-{number}" for number in range(1, agents))]
    world.logs.published["risk"] = log(*(bound(name, "strict") for name in names))
    world.say()
    assert world.paces_s == {key("Policy", "strict"): pytest.approx(pace_s)}


def refusing(world: World, pod: str, *topics: str, state: str = "InForce") -> list[Key]:
    said = part_of(
        GateAck,
        agent_uid="u",
        state=state,
        refused_events=tuple(RefusedEvents(topic=topic, source="/web", at_least=1, reason="r") for topic in topics),
    )
    world.waker.acknowledged("risk", "guard", pod, said)
    return [found for found in world.woken() if found.kind == "TopicContract"]


def test_what_a_gate_says_anew_of_events_wakes_the_contracts_of_their_topic(world: World) -> None:
    pages, commands = [key("TopicContract", "pages"), key("TopicContract", "rival")], [key("TopicContract", "commands")]
    assert refusing(world, "guard-1") == []
    assert refusing(world, "guard-1", "risk.pages") == pages
    assert refusing(world, "guard-1", "risk.pages") == []
    assert refusing(world, "guard-1", "risk.pages", "risk.commands") == commands
    assert refusing(world, "guard-2", "risk.pages") == pages
    assert refusing(world, "guard-1", "risk.pages", "risk.commands", state="Stopped") == commands + pages
    world.waker.acknowledged("risk", "guard", "guard-2", None)
    assert [found for found in world.woken() if found.kind == "TopicContract"] == pages


def test_a_gate_that_is_gone_wakes_its_agent(world: World) -> None:
    world.waker.acknowledged("risk", "guard", "guard-1", None)
    assert world.woken() == [key("Policy", "strict"), key("AgentDeployment", "guard")]


def test_agents_that_do_not_exist_wait_for_all_others_whoever_speaks_of_them(world: World) -> None:
    """Who has a gate's password may name any number: each of them went before the new agents of all namespaces."""
    said = part_of(GateAck, agent_uid="u", state="InForce")
    world.waker.acknowledged("risk", "made-up", "p", None)  # a tombstone, of thirty bytes
    assert (world.woken(), world.last) == ([], [])
    world.waker.acknowledged("risk", "made-up", "p", said)
    assert (world.woken(), world.last) == ([], [key("AgentDeployment", "made-up")])


def test_an_agent_that_cannot_be_read_is_woken_as_others_are(world: World) -> None:
    world.cluster.make_unreadable(agent("older"))
    world.waker.acknowledged("risk", "older", "p", None)
    assert (world.woken(), world.last) == ([key("AgentDeployment", "older")], [])


def test_nothing_is_remembered_of_a_gate_that_is_gone(world: World) -> None:
    assert world.say("guard-1") == [key("Policy", "strict"), key("AgentDeployment", "guard")]
    world.say("guard-2")
    world.waker.acknowledged("risk", "guard", "guard-1", None)
    world.woken()
    assert world.say("guard-1") == [key("Policy", "strict"), key("AgentDeployment", "guard")]
    assert world.say("guard-2") == [key("Policy", "strict")]


OUTAGE = KafkaUnavailableError("no broker answers")
EVERYBODY = [key("AgentDeployment", "guard"), key("Policy", "strict")]


@pytest.mark.parametrize(
    ("before", "after", "woken"),
    [
        pytest.param(None, log(), EVERYBODY, id="a-log-that-is-read-for-the-first-time-wakes-all"),
        pytest.param(log(), replace(log(), outage=OUTAGE), EVERYBODY, id="an-outage-wakes-all"),
        pytest.param(replace(log(), outage=OUTAGE), log(), EVERYBODY, id="its-end-wakes-all"),
        pytest.param(log(), log(), [], id="the-same-again-wakes-nobody"),
        pytest.param(log(), log(withheld=("a",)), [key("AgentDeployment", "a")], id="a-difference-wakes-one"),
    ],
)
def test_a_log_wakes(world: World, before: PublishedLog | None, after: PublishedLog, woken: list[Key]) -> None:
    world.waker.log_published("risk", before, after)
    assert world.woken() == woken


REVISED = bound("guard", "strict").model_copy(
    update={"epoch": 9, "revision": 9, "policies": (part_of(BoundPolicyRef, namespace="risk", name="x", revision=9),)}
)
MOVED = REVISED.model_copy(update={"audit_topic_id": "another"})
GUARD = key("AgentDeployment", "guard")


@pytest.mark.parametrize(
    ("before", "after", "at_once", "last"),
    [
        pytest.param(log(bound("guard", "strict")), log(REVISED), [], [GUARD], id="X86-an-edit-of-a-policy-comes-last"),
        pytest.param(log(bound("guard", "strict")), log(MOVED), [GUARD], [], id="what-else-a-binding-says-does-not"),
        pytest.param(log(), log(REVISED), [GUARD], [], id="a-first-binding-does-not"),
        pytest.param(
            log(bound("guard", "strict"), withheld=("guard",)),
            log(REVISED),
            [GUARD],
            [],
            id="what-was-withheld-does-not",
        ),
    ],
)
def test_agents_that_stand_make_way_for_others_when_a_policy_is_edited(
    world: World, before: PublishedLog, after: PublishedLog, at_once: list[Key], last: list[Key]
) -> None:
    world.waker.log_published("risk", before, after)
    assert [found for found in world.woken() if found.kind == "AgentDeployment"] == at_once
    assert world.last == last


def test_agents_that_only_have_another_revision_to_say_come_one_after_another(world: World) -> None:
    names = [f"guard-{number}" for number in range(5)]
    before = [bound(name, "strict") for name in names]
    after = [each.model_copy(update={"revision": 9, "policies": REVISED.policies}) for each in before]
    world.waker.log_published("risk", log(*before), log(*after))
    assert world.paces_s == {
        key("AgentDeployment", name): pytest.approx(1 + 0.05 * at) for at, name in enumerate(names)
    }


@pytest.mark.parametrize(
    ("agents", "pace_s"),
    [pytest.param(1, 0.5, id="one-bound-agent"), pytest.param(1_000, 2.0, id="a-thousand-whose-gates-all-report-each")],
)
def test_agents_that_come_up_share_the_publications_of_their_bindings_with(
    world: World, agents: int, pace_s: float
) -> None:
    world.logs.published["risk"] = log(*(bound(f"guard-{number}", "strict") for number in range(agents)))
    world.waker.want_log(key("PolicyLog"))
    assert world.paces_s == {key("PolicyLog"): pytest.approx(pace_s)}


def with_schema(name: str, status: str, reason: str, *, seen: int = 1) -> TopicContract:
    found = Condition.model_validate({"type": "SchemaReady", "status": status, "reason": reason})
    made = contract(name)
    update = {"conditions": (found,), "observed_generation": seen}
    return made.model_copy(update={"status": made.status.model_copy(update=update)})


WAITING = (
    with_schema("breaking", "False", "BreaksPolicies"),
    with_schema("new", "Unknown", "Pending"),
    with_schema("away", "Unknown", "RegistryUnavailable"),
    with_schema("registered", "True", "OK"),
)
BREAKING, NEW, AWAY = (key("TopicContract", name) for name in ("breaking", "new", "away"))


@pytest.mark.parametrize(
    ("before", "after", "woken"),
    [
        pytest.param(None, log(), {AWAY, BREAKING, NEW}, id="X01-a-log-that-was-not-known-wakes-all-that-wait"),
        pytest.param(
            log(bound("a", "x")), log(bound("a", "y")), {BREAKING, NEW}, id="X01-a-publication-may-let-a-schema-in"
        ),
        pytest.param(log(bound("a", "x")), log(bound("a", "x")), set(), id="the-same-again-lets-none-in"),
    ],
)
def test_what_is_published_wakes_contracts_whose_schema_waits(
    world: World, before: PublishedLog | None, after: PublishedLog, woken: set[Key]
) -> None:
    for waiting in WAITING:
        world.cluster.put(waiting)
    world.waker.log_published("risk", before, after)
    assert {found for found in world.woken() if found.kind == "TopicContract"} == woken


class Counted(FakeCluster):
    """Counts how often all agents are listed."""

    def __init__(self) -> None:
        super().__init__()
        self.lists = 0

    @override
    def list(self, kind: Any, namespace: str | None = None) -> Any:
        self.lists += kind is AgentDeployment
        return super().list(kind, namespace)


def test_x85_a_thousand_agents_that_wake_at_once_are_not_listed_for_each_other() -> None:
    cluster, woken = Counted(), list[Key]()
    for number in range(1_000):
        cluster.put(agent(f"guard-{number}"))
    waker = Waker(
        cluster,
        LogStore(InstallationNames()),
        woken.append,
        lambda key, _: woken.append(key),
        lambda key, _: woken.append(key),
    )
    for number in range(1_000):
        waker.changed(key("AgentDeployment", f"guard-{number}"))
    assert cluster.lists == 0
    assert {key("AgentDeployment", "guard-999"), key("TopicContract", "commands"), key("Namespace")} <= set(woken)


def test_a_contract_that_is_refused_is_woken_by_who_may_have_left_its_topic() -> None:
    refused = Condition(
        type="Accepted", status="False", reason="UngovernedProducer", message="", last_transition_time="t"
    )
    earlier = contract("earlier")
    earlier = earlier.model_copy(update={"status": earlier.status.model_copy(update={"conditions": (refused,)})})
    woken = dependents_of(key("AgentDeployment", "guard"), [agent()], (), (*CONTRACTS, earlier))
    assert woken == {key("Namespace"), key("TopicContract", "commands"), key("TopicContract", "earlier")}
