"""Two operators at once, whatever keeps one of them from knowing it: at no moment do two write.

Nothing of it is told by their own logs. The API server's audit log has who changed what and when, by a user agent each;
Kafka's logs have the epoch of whoever wrote each batch: each process that publishes gets a higher one.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from streamwarden_operator.plans.election import DURATION_S
from support.operator_site import running_site
from support.tcp_door import open_door

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.operator_site import Site
    from support.stack_fixture import RunningStack

SKEW_S = 300.0
OLDER, NEWER = "registry.example/gate:1", "registry.example/gate:2"


@pytest.fixture(scope="module")
def cluster(stack_with_registry: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with running_site(folder, stack_with_registry, namespace="pair", installation="twins") as made:
        yield made


@pytest.fixture
def site(cluster: Site) -> Iterator[Site]:
    """The samples, and no operator that runs; each test ends what it has started."""
    yield cluster
    cluster.stop_all()


@pytest.mark.long
def test_f11_who_cannot_reach_the_api_server_writes_nothing_once_another_leads(site: Site) -> None:
    with open_door(site.server.port) as door:
        first = site.lead(url=site.server.url_at(door.port))
        second = site.stand_by()
        site.edit_policy()
        site.until(first.is_idle)
        epochs = {batch.epoch for batch in site.published()}
        assert site.server.writes(second.user_agent) == []
        door.hold()
        site.edit_policy()
        assert first.wait() == 1
        door.release()
        site.edit_policy()
    site.assert_one_after_the_other(first, second)
    assert max(batch.epoch for batch in site.published()) > max(epochs)


@pytest.mark.long
@pytest.mark.parametrize(
    ("leader_s", "stand_by_s"),
    [
        pytest.param(-SKEW_S, SKEW_S, id="the-leader-s-is-ten-minutes-behind"),
        pytest.param(SKEW_S, -SKEW_S, id="the-leader-s-is-ten-minutes-ahead"),
    ],
)
def test_f10_clocks_that_differ_change_nothing(site: Site, leader_s: float, stand_by_s: float) -> None:
    """By its clock a stand-by would take at once what is held, or not for ten minutes what is not: nobody's counts."""
    first = site.lead(ahead_s=leader_s)
    second = site.stand_by(ahead_s=stand_by_s)
    assert site.lease_ahead_s() == pytest.approx(leader_s, abs=SKEW_S / 2)
    site.edit_policy()
    assert site.server.writes(second.user_agent) == []
    first.kill()
    site.edit_policy()
    assert site.lease_ahead_s() == pytest.approx(stand_by_s, abs=SKEW_S / 2)
    site.assert_one_after_the_other(first, second)


@pytest.mark.long
def test_f11_who_starts_where_the_lease_was_deleted_waits_until_its_holder_may_not_write(site: Site) -> None:
    """The one that starts has seen nobody: it took the Lease at once, and the old one could write for 6 s more."""
    first = site.lead()
    site.edit_policy()
    first.signal(signal.SIGSTOP)  # else it makes it anew at once
    site.delete_lease()
    second = site.lead()
    first.signal(signal.SIGCONT)
    assert first.wait() == 1
    (deleted_at, _), (made_at, maker) = site.server.lease_changes("delete")[-1], site.server.lease_changes("create")[-1]
    assert maker == second.user_agent
    assert (made_at - deleted_at).total_seconds() > DURATION_S
    site.edit_policy()
    site.assert_one_after_the_other(first, second)


@pytest.mark.long
def test_x82_an_older_and_a_newer_version_do_not_write_by_turns(site: Site) -> None:
    """Two versions want another gate in each pod: they rewrote one Deployment 131 times in 45 s."""
    older = site.lead(gate_image=OLDER)
    site.until(lambda: site.gate_image() == OLDER)
    newer = site.stand_by(gate_image=NEWER)
    site.server.kubectl("set", "image", "deployment/url-guard", "gate=evil:1", "-n", site.namespace)
    site.until(lambda: site.gate_image() == OLDER)
    assert site.server.writes(newer.user_agent) == []
    assert older.stop() == 0
    site.until(lambda: site.gate_image() == NEWER)
    again = site.stand_by(gate_image=OLDER)
    site.edit_policy()
    site.until(newer.is_idle)
    generation = site.get("deployment", "url-guard")["metadata"]["generation"]
    site.server.kubectl("set", "image", "deployment/url-guard", "gate=evil:1", "-n", site.namespace)
    site.until(lambda: site.gate_image() == NEWER)
    site.edit_policy()
    assert site.get("deployment", "url-guard")["metadata"]["generation"] == generation + 2
    assert site.server.writes(again.user_agent) == []
    site.assert_one_after_the_other(older, newer)
