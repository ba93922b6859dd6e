"""How long a watch waits for an API server that asks for patience."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest
import structlog
from kopf._cogs.clients import api, errors
from multidict import CIMultiDict
from streamwarden_operator.errors import InvalidSpecError
from streamwarden_operator.handlers.patience import be_patient_everywhere
from streamwarden_operator.handlers.running import serve
from streamwarden_operator.handlers.watches import build_settings
from streamwarden_operator.settings import OperatorSettings

if TYPE_CHECKING:
    from kopf._cogs.clients.auth import APIContext

LONG_STATUS = {"kind": "Status", "code": 429, "message": "busy", "details": {"retryAfterSeconds": 86_400}}


class Answer:
    """What an API server answers: that it is busy, or that all is well."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status, self.headers = status, CIMultiDict(headers)

    async def json(self) -> object:
        return LONG_STATUS

    async def text(self) -> str:
        return json.dumps(LONG_STATUS)

    def raise_for_status(self) -> None:
        raise aiohttp.ClientResponseError(cast("Any", None), (), status=self.status)


@pytest.fixture
def kopfs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what is changed of kopf be as it was, once the test is over."""
    monkeypatch.setattr(errors, "check_response", errors.check_response)


async def waited_s(monkeypatch: pytest.MonkeyPatch, status: int, headers: dict[str, str]) -> list[float]:
    """Ask by kopf's own request, with the operator's settings; returns its pauses before an answer that is good."""
    answers = [Answer(status, headers), Answer(200, {})]
    pauses = list[float]()

    async def request(**_: object) -> Answer:
        return answers.pop(0)

    async def sleep(pause_s: float) -> None:
        pauses.append(pause_s)

    monkeypatch.setattr(api, "asyncio", SimpleNamespace(sleep=sleep))
    context = SimpleNamespace(server="http://api", session=SimpleNamespace(request=request, closed=False))
    found = await api.request(
        "get",
        "/apis",
        settings=build_settings(),
        context=cast("APIContext", context),
        logger=structlog.get_logger(),
    )
    assert found.status == 200
    return pauses


@pytest.mark.usefixtures("kopfs_own")
@pytest.mark.parametrize(
    ("status", "headers", "expected_s"),
    [
        pytest.param(429, {"Retry-After": "86400"}, 60, id="a-day-is-a-minute"),
        pytest.param(429, {"Retry-After": "7"}, 7, id="some-seconds-are-waited-for"),
        pytest.param(429, {"retry-after": "86400"}, 60, id="in-small-letters"),
        pytest.param(429, {"Retry-After": "inf"}, 60, id="for-ever"),
        pytest.param(429, {"Retry-After": "nan"}, 1, id="no-number"),
        pytest.param(429, {"Retry-After": "Sat, 28 Nov 2026 23:00:00 GMT"}, 1, id="a-date"),
        pytest.param(429, {}, 1, id="only-in-the-body"),
        pytest.param(503, {"Retry-After": "86400"}, 1, id="of-a-503-nobody-takes-it"),
    ],
)
async def test_f2_a_watch_waits_a_minute_at_most_whatever_the_server_asks_for(
    status: int, headers: dict[str, str], expected_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_patient_everywhere()
    assert await waited_s(monkeypatch, status, headers) == [expected_s]


@pytest.mark.usefixtures("kopfs_own")
async def test_the_operator_begins_by_it() -> None:
    with pytest.raises(InvalidSpecError):
        await serve(OperatorSettings())
    assert errors.check_response.__name__ == "check_patiently"
