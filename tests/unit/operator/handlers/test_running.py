"""What the operator does for its process before kopf begins."""

from __future__ import annotations

import inspect
import json

import aiohttp
import pytest
from kopf._cogs.clients import api as kopf_api
from streamwarden_operator.errors import InvalidSpecError
from streamwarden_operator.handlers.running import serve
from streamwarden_operator.handlers.runtime import Runtime
from streamwarden_operator.settings import OperatorSettings

DEEP = 9_999


async def test_before_anything_is_listed_or_watched_the_process_reads_as_deep_as_an_api_server_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json, "_default_decoder", json.JSONDecoder())  # put back afterwards
    text = '{"a":' * DEEP + "1" + "}" * DEEP
    with pytest.raises(RecursionError):
        json.loads(f"[{text}]")
    found: list[dict[str, object]] = []

    async def opened(_settings: OperatorSettings) -> Runtime:
        found.append(json.loads(text))
        raise InvalidSpecError("enough is known")

    monkeypatch.setattr(Runtime, "open", opened)
    with pytest.raises(InvalidSpecError, match="enough is known"):
        await serve(OperatorSettings())
    assert [each.keys() for each in found] == [{"a"}]


def test_kopf_reads_lists_and_watches_with_nothing_else() -> None:
    assert vars(kopf_api)["json"] is json
    assert inspect.signature(aiohttp.ClientResponse.json).parameters["loads"].default is json.loads
