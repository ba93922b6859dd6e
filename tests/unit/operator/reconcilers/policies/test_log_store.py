"""What namespaces say of the epochs that gates have seen."""

from __future__ import annotations

import pytest
from streamwarden_contract.names import SYSTEM, InstallationNames
from streamwarden_operator.plans.log_state import HIGHEST_CLAIM, LogState, go_on_above
from streamwarden_operator.reconcilers.policies.log_store import LogStore


@pytest.mark.parametrize("said", [[7, HIGHEST_CLAIM + 1], [10**18 - 1, 7]], ids=["X83-after-it", "X83-before-it"])
def test_an_epoch_that_nobody_believes_hides_none_that_others_have_seen(said: list[int]) -> None:
    logs = LogStore(InstallationNames())
    for epoch in said:
        logs.see(SYSTEM, epoch)
    assert go_on_above(LogState(), [], epoch=logs.seen[SYSTEM]).epoch == 7
