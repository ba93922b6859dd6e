"""What is said of an agent that is being deleted."""

from datetime import timedelta

import pytest
from streamwarden_operator.desired.checks.chain import first_finding
from streamwarden_operator.desired.checks.deletion import DELETION, AgentDeletion
from streamwarden_operator.errors import KafkaUnavailableError

LETS_GO = ". The annotation streamwarden.io/orphan: 'true' lets go; what is left in Kafka is swept when it answers"
DOWN = KafkaUnavailableError("no broker")


def deletion(waited_s: int = 5, **found: object) -> AgentDeletion:
    return AgentDeletion(waited=timedelta(seconds=waited_s), grace=timedelta(seconds=30), **found)  # type: ignore[arg-type]  # as the test says


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            deletion(error=DOWN), ("False", "DeletionBlocked", f"no broker{LETS_GO}"), id="access-cannot-be-taken"
        ),
        pytest.param(deletion(), ("False", "Pending", "pods are ending"), id="pods-take-their-time"),
        pytest.param(deletion(120), ("False", "Pending", "pods are ending"), id="to-the-last-second"),
        pytest.param(
            deletion(121),
            ("False", "DeletionBlocked", f"pods have not ended after 120 s; is their node lost?{LETS_GO}"),
            id="pods-that-something-keeps",
        ),
        pytest.param(
            deletion(121, pods_gone=True, outage=DOWN),
            ("False", "DeletionBlocked", f"no broker{LETS_GO}"),
            id="the-binding-cannot-be-withdrawn",
        ),
        pytest.param(
            deletion(120, pods_gone=True, log_read=False),
            ("False", "Pending", "the namespace's policy log is being read"),
            id="x95-a-log-that-is-being-read",
        ),
        pytest.param(
            deletion(121, pods_gone=True, log_read=False),
            ("False", "DeletionBlocked", f"the namespace's policy log has not been read yet{LETS_GO}"),
            id="x95-a-log-that-is-not-read-in-time",
        ),
        pytest.param(
            deletion(pods_gone=True, log_read=False, outage=DOWN),
            ("False", "DeletionBlocked", f"no broker{LETS_GO}"),
            id="x95-a-log-that-cannot-be-read",
        ),
        pytest.param(deletion(121, pods_gone=True, bound=False, log_read=False), None, id="x95-nothing-is-bound"),
        pytest.param(deletion(pods_gone=True), None, id="the-binding-is-about-to-be-withdrawn"),
        pytest.param(deletion(pods_gone=True, bound=False, outage=DOWN), None, id="there-is-no-binding"),
    ],
)
def test_a_deletion(found: AgentDeletion, expected: tuple[str, str, str] | None) -> None:
    finding = first_finding(DELETION, found)
    assert (finding and (finding.status, finding.reason, finding.message)) == expected


def test_pods_are_due_after_their_grace_period_and_some_time_more() -> None:
    assert deletion(20).pods_due == timedelta(seconds=100)
