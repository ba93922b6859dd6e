"""What the cache makes of what it sees."""

from __future__ import annotations

from typing import Any

import pytest
from streamwarden_contract.models import Policy
from streamwarden_operator.adapters.kubernetes.cache import ResourceCache
from streamwarden_operator.adapters.kubernetes.resource_types import CONFIG_MAP, POD, type_of_kind
from streamwarden_operator.keys import Key

KEY = Key("Policy", "risk", "strict")
AGENT = Key("AgentDeployment", "risk", "guard")
POLICY = type_of_kind(Policy)
MANAGED_BY, INSTANCE = "app.kubernetes.io/managed-by", "app.kubernetes.io/instance"


def policy(version: int, *, uid: str = "u-1", spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": "streamwarden.io/v1alpha1",
        "kind": "Policy",
        "metadata": {
            "name": "strict",
            "namespace": "risk",
            "uid": uid,
            "generation": 1,
            "resourceVersion": str(version),
            **metadata,
        },
        "spec": spec if spec is not None else {"failureAction": "Enforce"},
    }


def owned(kind: str, version: int, name: str = "guard-x", **content: Any) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": "streamwarden-operator", "app.kubernetes.io/instance": "guard"}
    metadata = {
        "name": name,
        "namespace": "risk",
        "uid": f"u-{name}",
        "resourceVersion": str(version),
        "labels": labels,
    }
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}


@pytest.fixture
def cache() -> ResourceCache:
    made = ResourceCache()
    assert made.observe(policy(10)) == KEY
    return made


def action(cache: ResourceCache) -> str:
    found = cache.get(Policy, "risk", "strict")
    assert found is not None
    return found.spec.failure_action


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(policy(10), None, id="the-same-version-is-no-news"),
        pytest.param(policy(9, spec={"failureAction": "Audit"}, generation=2), None, id="an-older-one-is-no-news"),
        pytest.param({**policy(11), "status": {"revision": 3}}, None, id="a-status-is-no-news"),
        pytest.param(policy(11, managedFields=[{"manager": "x"}]), None, id="managed-fields-are-no-news"),
        pytest.param(policy(11, spec={"failureAction": "Audit"}, generation=2), KEY, id="a-spec-is"),
        pytest.param(policy(11, labels={"a": "b"}), KEY, id="a-label-is"),
        pytest.param(policy(11, annotations={"a": "b"}), KEY, id="an-annotation-is"),
        pytest.param(policy(11, finalizers=["x"]), KEY, id="a-finalizer-is"),
        pytest.param(policy(11, deletionTimestamp="2026-01-01T00:00:00Z"), KEY, id="a-deletion-is"),
        pytest.param(policy(11, uid="u-2"), KEY, id="another-one-of-that-name-is"),
    ],
)
def test_f3_only_what_changes_what_is_asked_needs_a_look(
    cache: ResourceCache, seen: dict[str, Any], expected: Key | None
) -> None:
    assert cache.observe(seen) == expected
    assert cache.observe(seen) is None


def test_versions_are_numbers() -> None:
    cache = ResourceCache()
    cache.observe(policy(9))
    assert cache.observe(policy(10, labels={"a": "b"})) == KEY


def test_what_is_gone_does_not_come_back_with_an_old_word(cache: ResourceCache) -> None:
    assert cache.forget(policy(12)) == KEY
    assert cache.observe(policy(11)) is None
    assert cache.get(Policy, "risk", "strict") is None
    assert cache.forget(policy(12)) is None
    assert cache.observe(policy(13, uid="u-2")) == KEY


def test_the_end_of_an_earlier_one_leaves_the_later_one(cache: ResourceCache) -> None:
    cache.observe(policy(20, uid="u-2"))
    assert cache.forget(policy(15)) is None
    assert cache.get(Policy, "risk", "strict") is not None


@pytest.mark.parametrize(
    ("namespace", "listed", "version", "expected"),
    [
        pytest.param(None, {"u-1"}, 99, set(), id="what-was-listed-stays"),
        pytest.param(None, set(), 99, {KEY}, id="what-was-not-is-gone"),
        pytest.param("other", set(), 99, set(), id="a-list-of-another-namespace-says-nothing"),
        pytest.param(None, set(), 9, set(), id="what-is-newer-than-the-list-stays"),
    ],
)
def test_f1_a_list_finds_what_no_watch_told(
    cache: ResourceCache, namespace: str | None, listed: set[str], version: int, expected: set[Key]
) -> None:
    assert cache.forget_missing(POLICY, namespace, listed, str(version)) == expected


def test_a_resource_that_cannot_be_read_is_kept_out_and_known_of() -> None:
    cache = ResourceCache()
    broken = policy(10, spec={"failureAction": "Sometimes", "novelty": 1})
    assert cache.observe(broken) == KEY
    assert cache.get(Policy, "risk", "strict") is None
    found = cache.unreadable()[KEY]
    assert (found.key, found.metadata.uid) == (KEY, "u-1")
    assert "failureAction" in found.problem
    assert cache.observe(policy(11, spec=broken["spec"])) is None
    assert cache.unreadable()[KEY].metadata.resource_version == "11"
    assert cache.observe(policy(12)) == KEY
    assert not cache.unreadable()


def test_m01_what_a_resource_that_cannot_be_read_refers_to_is_known() -> None:
    cache = ResourceCache()
    cache.observe(policy(10, spec={"failureAction": "Sometimes", "novelty": 1}))
    assert cache.unreadable()[KEY].manifest["spec"] == {"failureAction": "Sometimes", "novelty": 1}
    assert "novelty: 1" not in repr(cache.unreadable()[KEY])


def test_the_deletion_of_what_cannot_be_read_is_told(cache: ResourceCache) -> None:
    broken = {"failureAction": "Sometimes"}
    cache.observe(policy(11, spec=broken))
    assert cache.observe(policy(12, spec=broken, deletionTimestamp="2026-01-01T00:00:00Z")) == KEY
    assert cache.unreadable()[KEY].metadata.deletion_timestamp == "2026-01-01T00:00:00Z"
    assert cache.forget(policy(13)) == KEY
    assert not cache.unreadable()


def test_the_last_good_one_stays_until_the_resource_can_be_read_or_is_another(cache: ResourceCache) -> None:
    assert cache.observe(policy(11, spec={"failureAction": "Sometimes"})) == KEY
    assert action(cache) == "Enforce"
    assert cache.observe(policy(12, spec={"failureAction": "Audit"})) == KEY
    assert action(cache) == "Audit"
    cache.observe(policy(13, uid="u-2", spec={"failureAction": "Sometimes"}))
    assert cache.get(Policy, "risk", "strict") is None


def test_a_status_of_another_version_is_ours_to_write_anew(cache: ResourceCache) -> None:
    seen = {**policy(11, labels={"a": "b"}), "status": {"revision": 3, "novelty": 1}}
    assert cache.observe(seen) == KEY
    found = cache.get(Policy, "risk", "strict")
    assert found is not None
    assert found.status.revision == 0


def test_a_pod_wakes_its_agent_when_it_says_something_new() -> None:
    cache = ResourceCache()
    assert cache.observe(owned("Pod", 1, status={"phase": "Pending"})) == AGENT
    assert cache.observe(owned("Pod", 2, status={"phase": "Running", "podIP": "10.0.0.1"})) is None
    ready = [{"name": "agent", "ready": True, "state": {}}]
    assert cache.observe(owned("Pod", 3, status={"phase": "Running", "containerStatuses": ready})) == AGENT
    assert [found.name for found in cache.of_agent("risk", "guard")] == ["guard-x"]
    assert cache.forget(owned("Pod", 4)) == AGENT
    assert list(cache.of_agent("risk", "guard")) == []


def test_a_config_map_wakes_its_agent_when_its_content_changes() -> None:
    cache = ResourceCache()
    assert cache.observe(owned("ConfigMap", 1, data={"a": "b"})) == AGENT
    assert cache.observe(owned("ConfigMap", 2, data={"a": "b"})) is None
    assert cache.observe(owned("ConfigMap", 3, data={"a": "c"})) == AGENT


def test_what_lost_our_label_and_got_it_back_is_seen_again() -> None:
    cache = ResourceCache()
    cache.observe(owned("ConfigMap", 1))
    assert cache.forget(owned("ConfigMap", 2)) == AGENT
    assert cache.observe(owned("ConfigMap", 3)) == AGENT
    assert cache.owned(CONFIG_MAP, "risk", "guard-x") is not None
    assert cache.owned(POD, "risk", "guard-x") is None


READS = {"paramsFrom": {"configMapKeyRef": {"name": "limits", "key": "limits.yaml"}}}


@pytest.fixture
def reads(cache: ResourceCache) -> None:
    """Let a policy name the data."""
    cache.observe(policy(10, uid="u-2", spec=READS, name="reads"))


def with_data(version: int, text: str = "a: 1", **labels: str) -> dict[str, Any]:
    found = owned("ConfigMap", version, "limits", data={"limits.yaml": text})
    found["metadata"]["labels"] = {"app.kubernetes.io/part-of": "streamwarden", **labels}
    return found


def test_the_names_of_a_namespace_are_the_same_set_until_one_comes_or_goes(cache: ResourceCache) -> None:
    """What is taken from somebody goes by them: one too many keeps what a stranger has, one too few takes it away."""
    cache.observe(policy(11, uid="a", name="first"))
    first = cache.names(Policy, "risk")
    assert first == {"strict", "first"}
    cache.observe(policy(12, uid="a", name="first", spec=READS))
    assert cache.names(Policy, "risk") is first
    cache.observe(policy(13, uid="b", name="second"))
    assert cache.names(Policy, "risk") == {"strict", "first", "second"}
    cache.observe({**policy(14, uid="c", name="third"), "spec": {"novelty": 1}})
    assert cache.names(Policy, "risk") == {"strict", "first", "second", "third"}
    left = {"strict", "first", "second", "third"}
    for number, (name, uid) in enumerate((("third", "c"), ("first", "a"), ("second", "b"))):
        cache.forget(policy(20 + number, uid=uid, name=name))
        left.remove(name)
        assert cache.names(Policy, "risk") == left
    assert cache.names(Policy, "nobody's") == frozenset()
    assert len(cache._names) == 1


@pytest.mark.usefixtures("reads")
def test_data_beside_rules_is_kept_and_a_change_of_it_is_news(cache: ResourceCache) -> None:
    limits = Key("ConfigMap", "risk", "limits")
    assert cache.observe(with_data(11)) == limits
    assert cache.config_map("risk", "limits") == {"limits.yaml": "a: 1"}
    assert cache.observe(with_data(12, **{"app.kubernetes.io/instance": "guard"})) is None
    assert cache.of_agent("risk", "guard") == ()
    assert cache.observe(with_data(13, "a: 2")) == limits
    assert cache.observe(with_data(12, "a: 1")) is None
    assert cache.config_map("risk", "limits") == {"limits.yaml": "a: 2"}
    assert cache.forget(with_data(14)) == limits
    assert cache.config_map("risk", "limits") is None


def test_m07_what_no_policy_names_is_not_kept_until_one_does(cache: ResourceCache) -> None:
    limits, reads = Key("ConfigMap", "risk", "limits"), policy(12, uid="u-2", spec=READS, name="reads")
    assert cache.observe(with_data(11)) is None
    assert cache.config_map("risk", "limits") is None
    assert cache.unread_data("risk", "strict") is None
    assert cache.observe(with_data(11)) is None
    cache.observe(reads)
    assert cache.unread_data("risk", "reads") == "limits"
    assert cache.observe(with_data(10, "a: 0")) is None
    assert cache.observe(with_data(11)) == limits
    assert cache.config_map("risk", "limits") == {"limits.yaml": "a: 1"}
    assert cache.unread_data("risk", "reads") is None


@pytest.mark.parametrize("how", ["it is gone", "it names another"])
def test_m07_what_no_policy_names_any_more_is_let_go(cache: ResourceCache, how: str) -> None:
    reads = policy(12, uid="u-2", spec=READS, name="reads")
    also = policy(12, uid="u-3", spec=READS, name="also")
    cache.observe(reads)
    cache.observe(also)
    cache.observe(with_data(13))
    cache.forget({**also, "metadata": {**also["metadata"], "resourceVersion": "14"}})
    assert cache.config_map("risk", "limits") == {"limits.yaml": "a: 1"}
    if how == "it is gone":
        cache.forget({**reads, "metadata": {**reads["metadata"], "resourceVersion": "14"}})
    else:
        other = {"paramsFrom": {"configMapKeyRef": {"name": "other", "key": "limits.yaml"}}}
        cache.observe(policy(14, uid="u-2", spec=other, name="reads"))
    assert cache.config_map("risk", "limits") is None
    cache.observe(with_data(15, "a: 2"))
    assert cache.config_map("risk", "limits") is None


@pytest.mark.usefixtures("reads")
def test_f03_of_data_that_is_too_large_the_size_is_kept(cache: ResourceCache) -> None:
    cache.observe(with_data(11, "é" * 32_768))
    assert cache.config_map("risk", "limits") == {"limits.yaml": "é" * 32_768}
    cache.observe(with_data(12, "é" * 32_769))
    assert cache.config_map("risk", "limits") == {"limits.yaml": 65_538}


@pytest.mark.usefixtures("reads")
def test_data_that_a_list_does_not_have_is_gone(cache: ResourceCache) -> None:
    cache.observe(with_data(11))
    assert cache.forget_missing(CONFIG_MAP, None, (), "12") == {Key("ConfigMap", "risk", "limits")}
    assert cache.config_map("risk", "limits") is None


def test_what_an_agent_has_is_no_data_beside_rules(cache: ResourceCache) -> None:
    ours = owned("ConfigMap", 11, data={"agent.json": "{}"})
    ours["metadata"]["labels"]["app.kubernetes.io/part-of"] = "streamwarden"
    assert cache.observe(ours) == AGENT
    stranger = with_data(12)
    stranger["metadata"] |= {"name": "guard-gate-config", "uid": "u-stranger"}
    cache.observe(stranger)
    assert (cache.config_map("risk", "guard-x"), cache.config_map("risk", "guard-gate-config")) == (None, None)
    found = cache.owned(CONFIG_MAP, "risk", "guard-gate-config")
    assert found is not None
    assert not found.labelled


@pytest.mark.usefixtures("reads")
def test_data_that_becomes_an_agent_s_object_is_data_no_more(cache: ResourceCache) -> None:
    limits = Key("ConfigMap", "risk", "limits")
    cache.observe(with_data(11))
    taken = {MANAGED_BY: "streamwarden-operator", INSTANCE: "guard"}
    assert cache.observe(with_data(12, "a: 2", **taken)) == limits
    assert cache.config_map("risk", "limits") is None
    assert [found.name for found in cache.of_agent("risk", "guard")] == ["limits"]


@pytest.mark.usefixtures("reads")
def test_an_agent_s_object_that_becomes_data_is_the_agent_s_no_more(cache: ResourceCache) -> None:
    limits = Key("ConfigMap", "risk", "limits")
    cache.observe(with_data(11, **{MANAGED_BY: "streamwarden-operator", INSTANCE: "guard"}))
    assert cache.observe(with_data(12)) == limits
    assert cache.config_map("risk", "limits") == {"limits.yaml": "a: 1"}
    assert list(cache.of_agent("risk", "guard")) == []
    assert cache.forget(with_data(13)) == limits


def test_what_is_asked_again_is_put_together_once_for_each_change() -> None:
    cache = ResourceCache()
    cache.observe(policy(10))
    cache.observe(owned("Pod", 11, name="guard-x"))
    listed, everywhere, pods = cache.list(Policy, "risk"), cache.list(Policy), cache.pods("risk", "guard")
    for _ in range(3):  # an ack asks for the pods of a thousand agents
        assert cache.list(Policy, "risk") is listed
        assert cache.list(Policy) is everywhere
        assert cache.pods("risk", "guard") is pods
    cache.observe(policy(12, spec={"failureAction": "Audit"}))
    cache.observe(owned("Pod", 13, name="guard-y"))
    assert [found.spec.failure_action for found in (*cache.list(Policy, "risk"), *cache.list(Policy))] == ["Audit"] * 2
    assert cache.pods("risk", "guard") == {"guard-x", "guard-y"}
    cache.forget(policy(14))
    cache.forget(owned("Pod", 15, name="guard-x"))
    assert list(cache.list(Policy, "risk")) == list(cache.list(Policy)) == []
    assert cache.pods("risk", "guard") == {"guard-y"}


def test_an_object_that_becomes_another_agents_is_no_more_the_firsts() -> None:
    cache = ResourceCache()
    cache.observe(owned("Pod", 11, name="guard-x"))
    assert cache.pods("risk", "guard") == {"guard-x"}
    moved = owned("Pod", 12, name="guard-x")
    moved["metadata"]["labels"][INSTANCE] = "other"
    cache.observe(moved)
    assert cache.pods("risk", "guard") == frozenset()
    assert cache.pods("risk", "other") == {"guard-x"}


def test_nothing_is_remembered_of_who_asks_for_what_nobody_has() -> None:
    cache = ResourceCache()
    for number in range(100):
        assert cache.pods("risk", f"nobody-{number}") == frozenset()
        assert list(cache.list(Policy, f"nowhere-{number}")) == []
    assert (cache._of_agents, cache._lists) == ({}, {})
