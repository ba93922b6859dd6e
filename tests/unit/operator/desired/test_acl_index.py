"""What is asked of all ACLs of a cluster is answered as if each was looked at, and each is looked at once."""

from collections.abc import Iterator
from typing import Self

from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract.names import AgentNames
from streamwarden_operator.desired.acl_index import AclIndex, LivingAgents
from streamwarden_operator.desired.acls import acls_of, is_streamwarden_principal
from streamwarden_operator.desired.bypass import EVERYBODY, bypass_acls
from streamwarden_operator.ports import Acl
from typing_extensions import override

TRUSTED = frozenset({"User:streamwarden.operator"})
TOPICS = ["risk.blocks", "risk.guard.decisions"]
ALLOWED = ["risk.guard.gate"]
PRINCIPALS = [
    "User:*",
    "User:web",
    "User:risk.guard.gate",
    "User:risk.guard.agent",
    "User:streamwarden.operator",
    "User:risk.other.gate",
    "User:risk.gone.agent",
    "User:risk.guard.else",
    "User:fraud.other.gate",
    "User:risk..gate",
]
ACLS = st.frozensets(
    st.builds(
        Acl,
        st.sampled_from(PRINCIPALS),
        st.sampled_from(["TOPIC", "GROUP", "CLUSTER"]),
        st.sampled_from(["*", "risk.", "risk.blocks", "risk.blocks.", "risk.guard.decisions", "kafka-cluster"]),
        st.sampled_from(["READ", "WRITE", "ALL", "ALTER", "ALTER_CONFIGS", "CREATE", "DELETE", "DESCRIBE"]),
        st.sampled_from(["LITERAL", "PREFIXED"]),
        st.just("*"),
        st.booleans(),
    ),
    max_size=12,
)


def is_bypass(acl: Acl) -> bool:
    """Look at one ACL alone."""
    if acl.denied or acl.principal in {f"User:{ALLOWED[0]}", "User:streamwarden.operator"}:
        return False
    if acl.resource_type == "CLUSTER":
        named = acl.principal != EVERYBODY and not is_streamwarden_principal(acl.principal)
        return acl.operation in {"ALL", "ALTER"} and not named
    changes = acl.operation in {"WRITE", "ALL", "ALTER", "ALTER_CONFIGS", "CREATE", "DELETE"}
    names = [
        topic.startswith(acl.resource_name) if acl.pattern_type == "PREFIXED" else acl.resource_name in {"*", topic}
        for topic in TOPICS
    ]
    return acl.resource_type == "TOPIC" and changes and any(names)


@given(ACLS)
def test_what_leads_round_a_gate_is_what_does_so_by_itself(acls: frozenset[Acl]) -> None:
    assert bypass_acls(TRUSTED, acls, TOPICS, ALLOWED) == {acl for acl in acls if is_bypass(acl)}


@given(ACLS)
def test_everybody_has_the_acls_that_name_them(acls: frozenset[Acl]) -> None:
    wanted = {acl for acl in acls if acl.principal in PRINCIPALS[1:3]}
    assert acls_of(acls, "web", "risk.guard.gate") == wanted
    assert {acl for principal in PRINCIPALS for acl in AclIndex(acls).of(principal)} == acls


@given(ACLS)
def test_what_is_left_is_what_agents_that_live_do_not_have(acls: frozenset[Acl]) -> None:
    living = LivingAgents(AgentNames("risk", "guard"), {"other"})
    index = AclIndex(acls)
    for topic in TOPICS:
        wanted = {acl for acl in index.writers(topic) if acl.principal.removeprefix("User:") not in living}
        assert set(index.writers(topic, living)) == wanted
    for acl in acls:
        index.discard(acl)
    assert not any(list(index.writers(topic)) for topic in TOPICS)


NAMES = st.frozensets(st.sampled_from(["guard", "other", "gone", "none"]))


@given(ACLS, ACLS, ACLS, st.lists(NAMES, min_size=2, max_size=2))
def test_what_was_found_for_the_living_holds_no_longer_than_the_acls_and_they(
    first: frozenset[Acl], come: frozenset[Acl], gone: frozenset[Acl], living: list[frozenset[str]]
) -> None:
    kept = AclIndex(first)

    def ask() -> None:
        for names in (*living, living[0], set(living[1])):
            passed = LivingAgents(AgentNames("risk", "guard"), names)
            for topic in TOPICS:
                wanted = {acl for acl in AclIndex(kept).writers(topic) if acl.principal[len("User:") :] not in passed}
                assert set(kept.writers(topic, passed)) == wanted

    ask()
    for acl in come:
        kept.add(acl)
    ask()
    for acl in gone:
        kept.discard(acl)
    ask()


class Asked(str):
    """A name that counts how often it is compared or looked up."""

    times = 0
    __slots__ = ()

    @override
    def __hash__(self) -> int:
        Asked.times += 1
        return super().__hash__()

    @override
    def __eq__(self, other: object) -> bool:
        return super().__eq__(other)


def test_an_agent_that_asks_of_a_shared_topic_looks_at_no_other_agent_that_lives() -> None:
    index = AclIndex(Acl(f"User:risk.{number}.gate", "TOPIC", "risk.audit", "WRITE") for number in range(100))
    living = frozenset(Asked(number) for number in range(100))
    assert list(index.writers("risk.audit", LivingAgents(AgentNames("risk", "1"), living))) == []
    Asked.times = 0
    index.add(Acl("User:risk.stranger.gate", "TOPIC", "risk.audit", "WRITE"))
    for number in range(100):
        passed = LivingAgents(AgentNames("risk", str(number)), living)
        assert [acl.principal for acl in index.writers("risk.audit", passed)] == ["User:risk.stranger.gate"]
    assert Asked.times == 0


class Counted(frozenset[Acl]):
    """Counts how often it is walked."""

    walks = 0

    def __new__(cls, acls: frozenset[Acl]) -> Self:
        return super().__new__(cls, acls)

    @override
    def __iter__(self) -> Iterator[Acl]:
        Counted.walks += 1
        return super().__iter__()


def test_a_listing_is_walked_once_however_many_agents_ask_of_it() -> None:
    acls = Counted(frozenset(Acl(f"User:u-{number}", "TOPIC", f"t-{number}", "WRITE") for number in range(10)))
    for number in range(100):
        found = bypass_acls(TRUSTED, acls, [f"t-{number}"], ALLOWED)
        assert found == acls_of(acls, f"u-{number}")
    assert Counted.walks == 1


@given(ACLS, ACLS, ACLS)
def test_an_index_that_is_kept_up_to_date_answers_as_one_that_is_made_anew(
    first: frozenset[Acl], come: frozenset[Acl], gone: frozenset[Acl]
) -> None:
    kept = AclIndex(first)
    for acl in [*come, *come]:
        kept.add(acl)
    for acl in [*gone, *gone]:
        kept.discard(acl)
    anew = AclIndex((first | come) - gone)

    assert set(kept) == set(anew) == (first | come) - gone
    assert (kept.rulers, kept.operators) == (anew.rulers, anew.operators)
    for name in ("risk.blocks", "risk.guard.decisions", "risk", "*", ""):
        for ask in ("writers", "readers", "members", "producers", "of"):
            assert set(getattr(kept, ask)(name)) == set(getattr(anew, ask)(name))
    assert {principal: set(kept.of(principal)) for principal in PRINCIPALS} == {
        principal: set(anew.of(principal)) for principal in PRINCIPALS
    }
