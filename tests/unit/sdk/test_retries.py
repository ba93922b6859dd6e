from __future__ import annotations

from streamwarden.core.retries import Backoff
from streamwarden_contract.models.agent_deployment import Retry


def test_waits_grow_to_their_cap_and_end_with_the_last_attempt() -> None:
    backoff = Backoff.of(Retry(max_attempts=100))
    assert [backoff.wait_s(n) for n in (1, 2, 3, 7, 99, 100)] == [1, 2, 4, 60, 60, None]
