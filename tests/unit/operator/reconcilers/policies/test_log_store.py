"""What namespaces say of the epochs that gates have seen, and when they have had a revision."""

from __future__ import annotations

import pytest
from streamwarden_contract.acks import GateAck
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.names import SYSTEM, InstallationNames
from streamwarden_contract.policylog import EpochRecord
from streamwarden_operator.errors import NotReadyError
from streamwarden_operator.plans.log_state import HIGHEST_CLAIM, LogState, believed, claimed_epochs, go_on_above
from streamwarden_operator.reconcilers.policies.log_store import LogStore, Publication, PublishedLog
from support.manifests import part_of


def test_x83_an_epoch_is_believed_while_the_one_above_it_is_a_number_for_everybody() -> None:
    assert [believed(2**53 - 1), believed(2**53)] == [2**53 - 1, 0]


@pytest.mark.parametrize(
    ("epoch", "counter"), [(2**53, 1), (1, 2**53)], ids=["X83-its-epoch-is-too-high", "X83-its-counter-is-too-high"]
)
def test_an_epoch_record_that_nobody_can_verify_is_read_by_the_same_rule(epoch: int, counter: int) -> None:
    highest = EpochRecord(epoch=min(epoch, 2**53 - 1), revision_counter=min(counter, 2**53 - 1))
    assert claimed_epochs(highest.encode()) == [highest]
    assert claimed_epochs(EpochRecord(epoch=epoch, revision_counter=counter).encode()) == []


@pytest.mark.parametrize("said", [[7, HIGHEST_CLAIM + 1], [10**18 - 1, 7]], ids=["X83-after-it", "X83-before-it"])
def test_an_epoch_that_nobody_believes_hides_none_that_others_have_seen(said: list[int]) -> None:
    logs = LogStore(InstallationNames())
    for epoch in said:
        logs.see(SYSTEM, epoch)
    assert go_on_above(LogState(), [], epoch=logs.seen[SYSTEM]).epoch == 7


def test_of_a_namespace_that_is_let_go_nothing_is_taken_for_known_and_of_others_all() -> None:
    logs = LogStore(InstallationNames())
    for namespace in ("risk", "shop"):
        for known in (logs.claimed, logs.topics_ready, logs.empty):
            known.add(namespace)
        logs.published[namespace] = PublishedLog(LogState(epoch=3))
    logs.let_go("risk")
    assert (logs.claimed, logs.topics_ready, logs.empty, set(logs.published)) == ({"shop"},) * 4
    with pytest.raises(NotReadyError, match="is being claimed"):
        logs.demand_claim("risk")
    logs.demand_claim("shop")


def test_the_time_of_a_rollout_ends_with_the_last_ack_that_has_it_whenever_they_are_counted() -> None:
    logs, found = LogStore(InstallationNames()), Publication(revision=4, at_s=100.0, measured=True)
    logs.publications["risk", "strict"] = found
    assert found.took_ms(now_s=100.25) == 250.0
    for at_s, revision in ((100.5, 4), (100.75, 4), (101.0, 3)):
        logs.note_ack(part_of(GateAck, policies=(PolicyRef(namespace="risk", name="strict", revision=revision),)), at_s)
    assert found.took_ms(now_s=108.0) == 750.0
    found.reported = True
    logs.note_ack(part_of(GateAck, policies=(PolicyRef(namespace="risk", name="strict", revision=4),)), 109.0)
    assert found.took_ms(now_s=110.0) == 750.0
