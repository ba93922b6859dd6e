"""What a test needs of this machine: skipped where it is not there, a failure where it is demanded."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

DEMANDED = "REQUIRE_CLUSTER"


def without_cluster(why: str) -> NoReturn:
    """Skip the test, or fail it where the environment demands a cluster: a skip must not pass for a success."""
    if os.environ.get(DEMANDED) == "1":
        pytest.fail(f"{DEMANDED}=1, and there is no cluster: {why}", pytrace=False)
    pytest.skip(why)
