"""An API server takes objects nested 10,000 deep, and kopf reads them with Python's own reader."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from kubernetes.aio.client import Configuration
from pydantic import ValidationError
from streamwarden_contract.models import Policy
from streamwarden_operator.adapters.kubernetes.client import KubernetesClient
from streamwarden_operator.adapters.kubernetes.reading import describe, read_resource

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def usual_depth() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("usual_depth")
async def test_the_deepest_policy_that_an_api_server_takes_is_read_and_told() -> None:
    deep = 9_997  # the object, its spec, its params
    text = '{"object": {"metadata": {"name": "p"}, "spec": {"params": DEEP}}}'.replace(
        "DEEP", '{"a":' * deep + "1" + "}" * deep
    )
    client = KubernetesClient(Configuration(host="http://127.0.0.1:9"), timeout_s=1.0)
    try:
        event = json.loads(text)
    finally:
        await client.close()
    with pytest.raises(ValidationError) as refused:
        read_resource(Policy, event["object"])
    assert describe(refused.value) == "spec.params: Value error, nested deeper than 62"
