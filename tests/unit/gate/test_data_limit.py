"""How much of its container's memory the supervisor leaves to gates."""

from __future__ import annotations

import pytest
from streamwarden_gate import supervisor
from streamwarden_gate.supervisor import ENV_MEMORY_LIMIT, data_limit

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("said", "read", "limit"),
    [
        pytest.param(str(1000 * MIB), 500 * MIB, 780 * MIB, id="as-it-was-told"),
        pytest.param("", 500 * MIB, 390 * MIB, id="as-its-cgroup-says-of-either-version"),
        pytest.param("", 10 * MIB, 96 * MIB, id="never-less-than-a-gate-needs"),
        pytest.param("", None, None, id="nothing-where-nobody-says"),
    ],
)
def test_gates_get_their_share_of_the_containers_limit(
    said: str, read: int | None, limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "container_limit", lambda: read)
    assert data_limit({ENV_MEMORY_LIMIT: said}) == limit
