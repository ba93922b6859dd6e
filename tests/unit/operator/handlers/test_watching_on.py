"""A watch that an API server breaks off begins anew, and ends no operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kopf import OperatorSettings as KopfSettings
from kopf._cogs.clients import errors, watching
from kopf._cogs.structs.references import Resource
from streamwarden_operator.errors import InvalidSpecError
from streamwarden_operator.handlers.running import serve
from streamwarden_operator.handlers.watching_on import watching_on
from streamwarden_operator.settings import OperatorSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PASSING = {
    "an-error-in-the-stream": watching.WatchingError("etcdserver: request timed out"),
    "an-expired-page": errors.APIClientError(None, status=410, headers={}),
    "a-crd-that-is-made-again": errors.APINotFoundError(None, status=404, headers={}),
    "a-retry-after-that-is-a-date": ValueError("could not convert string to float"),
}


def failing(error: Exception) -> Any:
    async def watch(**_: Any) -> AsyncIterator[str]:
        yield "seen"
        raise error

    return watch


@pytest.mark.parametrize("error", PASSING.values(), ids=PASSING)
async def test_f2_a_watch_that_fails_for_what_passes_ends_and_so_begins_anew(error: Exception) -> None:
    assert [event async for event in watching_on(failing(error), 0)()] == ["seen"]


async def test_a_watch_that_is_refused_for_good_fails() -> None:
    with pytest.raises(errors.APIUnauthorizedError):
        _ = [
            event
            async for event in watching_on(failing(errors.APIUnauthorizedError(None, status=401, headers={})), 0)()
        ]


async def test_all_watches_of_the_operator_go_on_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "continuous_watch", failing(PASSING["an-error-in-the-stream"]))
    with pytest.raises(InvalidSpecError):
        await serve(OperatorSettings())
    assert watching.continuous_watch.__name__ == "watch_on"


@pytest.mark.parametrize("error", PASSING.values(), ids=PASSING)
async def test_f2_kopf_itself_lists_and_watches_again_after_what_passes(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over kopf's own loop, which ended here: it is a part of kopf that may be another one in its next version."""
    settings = KopfSettings()
    settings.watching.reconnect_backoff = 0
    monkeypatch.setattr(watching, "continuous_watch", watching_on(failing(error), 0))
    resource = Resource("streamwarden.io", "v1alpha1", "policies")
    stream = watching.infinite_watch(settings=settings, resource=resource, namespace=None, _iterations=3)
    assert [str(event) async for event in stream] == ["seen"] * 3
