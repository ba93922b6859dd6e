"""Kubernetes 1.33 and 1.34: resource versions are words, and what is older is known by when it was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from streamwarden_contract.models import Policy
from streamwarden_operator.adapters.kubernetes.cluster import KubernetesCluster
from streamwarden_operator.adapters.kubernetes.errors import AbsentError
from streamwarden_operator.adapters.kubernetes.order import order_for, version_of
from streamwarden_operator.adapters.kubernetes.resource_types import KINDS, type_of_kind
from streamwarden_operator.errors import ForbiddenError, KubernetesUnavailableError
from streamwarden_operator.keys import Key
from structlog.testing import capture_logs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

KEY = Key("Policy", "risk", "strict")
POLICY = type_of_kind(Policy)


def policy(version: str, action: str = "Enforce", uid: str = "u-1") -> dict[str, Any]:
    return {
        "apiVersion": "streamwarden.io/v1alpha1",
        "kind": "Policy",
        "metadata": {
            "name": "strict",
            "namespace": "risk",
            "uid": uid,
            "resourceVersion": version,
            "labels": {"a": action},
        },
        "spec": {"failureAction": action},
    }


class Server:
    """An API server with at most one policy, whose versions are words."""

    def __init__(self, minor: str = "34+") -> None:
        self.stored: dict[str, Any] | None = policy("one")
        self.asked: list[str] = []
        """The names that lists were asked for; empty of a whole one."""
        self.while_listing: Callable[[], None] = lambda: None
        """Called once a list is made, and before its answer is there."""
        self.refuses: Exception | None = None
        self._minor = minor

    async def server_version(self) -> dict[str, Any]:
        if self.refuses is not None:
            raise self.refuses
        return {"major": "1", "minor": self._minor, "gitVersion": f"v1.{self._minor}.4"}

    async def pages(
        self, resource: object, namespace: str | None, selector: str = "", name: str = ""
    ) -> AsyncIterator[tuple[list[dict[str, Any]], str]]:
        assert selector == ""
        assert namespace in {None, "risk"}
        if self.refuses is not None:
            raise self.refuses
        found = [self.stored] if self.stored is not None and resource == POLICY else []
        if resource == POLICY:
            self.asked.append(name)
            self.while_listing()
        yield found, "a-list" if self._minor < "35" else "7"


async def opened(server: Server) -> KubernetesCluster:
    cluster = KubernetesCluster(cast("Any", server), lambda _: [], resources=KINDS)
    await cluster.resync()
    server.asked.clear()
    return cluster


def action(cluster: KubernetesCluster) -> str | None:
    found = cluster.get(Policy, "risk", "strict")
    return None if found is None else found.spec.failure_action


@pytest.mark.parametrize(
    ("major", "minor", "expected"),
    [
        pytest.param("1", "37", True, id="1.37"),
        pytest.param("1", "35", True, id="1.35-the-first"),
        pytest.param("1", "35+", True, id="1.35-of-a-vendor"),
        pytest.param("2", "0", True, id="2.0"),
        pytest.param("1", "34", False, id="1.34"),
        pytest.param("1", "34+", False, id="1.34-of-a-vendor"),
        pytest.param("1", "33", False, id="1.33"),
        pytest.param("", "", False, id="a-server-that-does-not-say"),
        pytest.param("None", "None", False, id="nothing-that-is-a-number"),
    ],
)
def test_resource_versions_are_compared_from_1_35_on(major: str, minor: str, expected: bool) -> None:  # noqa: FBT001  # a value
    assert order_for(version_of(major, minor)).compares is expected


async def test_f3_an_older_word_of_a_watch_is_not_taken_in() -> None:
    server = Server()
    server.stored = policy("two", "Audit")
    cluster = await opened(server)
    assert await cluster.see("MODIFIED", policy("one")) is None
    assert action(cluster) == "Audit"
    assert server.asked == ["strict"]


async def test_a_newer_word_of_a_watch_has_the_object_listed_again() -> None:
    server = Server()
    cluster = await opened(server)
    server.stored = policy("three", "Audit")
    assert await cluster.see("MODIFIED", policy("two")) == KEY
    assert action(cluster) == "Audit"
    assert await cluster.see("MODIFIED", policy("three", "Audit")) is None
    assert server.asked == ["strict"]  # the second word was what is known: nothing was asked


async def test_the_end_of_an_earlier_one_leaves_the_later_one() -> None:
    server = Server()
    server.stored = policy("two", "Audit", uid="u-2")
    cluster = await opened(server)
    assert await cluster.see("DELETED", policy("one")) is None
    assert action(cluster) == "Audit"


async def test_what_is_gone_does_not_come_back_with_an_old_word() -> None:
    server = Server()
    cluster = await opened(server)
    server.stored = None
    assert await cluster.see("DELETED", policy("two")) == KEY
    assert action(cluster) is None
    assert await cluster.see("MODIFIED", policy("one")) is None
    assert action(cluster) is None


async def test_what_is_made_anew_under_its_name_is_seen() -> None:
    server = Server()
    cluster = await opened(server)
    server.stored = policy("two", "Audit", uid="u-2")
    assert await cluster.see("ADDED", policy("two", "Audit", uid="u-2")) == KEY
    assert (action(cluster), set(cluster.known())) == ("Audit", {KEY})


async def test_an_answer_that_was_overtaken_is_not_taken_in() -> None:
    server = Server()
    cluster = await opened(server)
    asked = cluster._cache.order.asked()  # as a write does before it is sent
    server.stored = policy("three", "Audit")
    await cluster.see("MODIFIED", policy("three", "Audit"))
    assert await cluster.observe(policy("two"), asked) is None
    assert action(cluster) == "Audit"


async def test_of_two_requests_on_their_way_the_first_answer_counts_as_nobody_can_tell_which_is_newer() -> None:
    cluster = await opened(Server())
    write, read = cluster._cache.order.asked(), cluster._cache.order.asked()
    assert await cluster.observe(policy("three", "Audit"), write) == KEY
    assert await cluster.observe(policy("two"), read) is None
    assert action(cluster) == "Audit"


async def test_a_list_that_was_overtaken_by_an_answer_is_asked_for_again() -> None:
    server = Server()
    cluster = await opened(server)
    server.stored = policy("two")
    cache = cluster._cache  # the answer to an own write goes there

    def answer() -> None:
        server.while_listing = lambda: None
        server.stored = policy("three", "Audit")
        cache.observe(policy("three", "Audit"), cache.order.asked())

    server.while_listing = answer
    await cluster.see("MODIFIED", policy("two"))
    assert (action(cluster), server.asked) == ("Audit", ["strict", "strict"])


async def test_f1_a_whole_list_leaves_what_was_taken_in_since_it_was_asked_for() -> None:
    server = Server()
    cluster = await opened(server)
    server.stored = None
    cache = cluster._cache  # the answer to an own write goes there

    def answer() -> None:
        cache.observe(policy("two", "Audit"), cache.order.asked())

    server.while_listing = answer
    assert await cluster.resync() == frozenset()
    assert action(cluster) == "Audit"
    server.while_listing = lambda: None
    assert await cluster.resync() == {KEY}
    assert action(cluster) is None


async def test_what_cannot_be_listed_again_is_an_outage_and_changes_nothing() -> None:
    server = Server()
    cluster = await opened(server)
    server.refuses = KubernetesUnavailableError("no answer")
    with pytest.raises(KubernetesUnavailableError):
        await cluster.see("MODIFIED", policy("two", "Audit"))
    assert action(cluster) == "Enforce"


async def test_of_a_kind_that_is_served_no_more_nothing_is_left() -> None:
    server = Server()
    cluster = await opened(server)
    server.refuses = AbsentError("policies")
    assert await cluster.see("DELETED", policy("two")) == KEY
    assert action(cluster) is None


@pytest.mark.parametrize(
    ("minor", "expected"),
    [
        pytest.param("34+", ("v1.34+.4", True), id="1.34-works-so"),
        pytest.param("32", ("v1.32.4", False), id="1.32-may-not-work-at-all"),
        pytest.param("35", None, id="1.35-nothing-to-say"),
    ],
)
async def test_that_versions_cannot_be_compared_is_said_in_one_line(
    minor: str, expected: tuple[str, bool] | None
) -> None:
    server = Server(minor)
    server.stored = None
    with capture_logs() as logs:
        cluster = await opened(server)
        await cluster.resync()
    told = [(line["version"], line["supported"]) for line in logs if "cannot be compared" in line["event"]]
    assert told == ([] if expected is None else [expected])


async def test_where_the_version_may_not_be_read_nothing_is_compared() -> None:
    server = Server("37")
    server.stored = None
    server.refuses = ForbiddenError("no")
    cluster = KubernetesCluster(cast("Any", server), lambda _: [], resources=())
    with capture_logs() as logs:
        await cluster.resync()
    assert [line["version"] for line in logs] == ["unknown"]
