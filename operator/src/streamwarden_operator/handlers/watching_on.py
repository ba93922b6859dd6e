"""Lets kopf begin a watch anew after what it would end the whole operator for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

import structlog
from kopf._cogs.clients import errors, watching

_PAUSE_S = 5.0
"""Before it lists again: of an API server that is in trouble nobody asks for more."""
_PASSING = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
"""A CRD that is being made again; a page of a list that took too long."""

_log = structlog.get_logger(__name__)
_Watch = Callable[..., AsyncIterator[Any]]


def watching_on(watch: _Watch, pause_s: float = _PAUSE_S) -> _Watch:
    """Return a watch that ends, so that kopf lists and watches again, where this one fails for what passes."""

    async def watch_on(**how: Any) -> AsyncIterator[Any]:  # noqa: ANN401  # kopf's own
        try:
            async for event in watch(**how):
                yield event
        except (watching.WatchingError, errors.APIClientError, ValueError) as error:
            if isinstance(error, errors.APIClientError) and error.status not in _PASSING:
                raise
            _log.warning("a watch failed and begins anew", resource=str(how.get("resource")), error=str(error))
            await asyncio.sleep(pause_s)

    return watch_on


def watch_on_everywhere() -> None:
    """Let all watches of this process go on so: kopf has no setting for it."""
    if watching.continuous_watch.__name__ != "watch_on":
        watching.continuous_watch = watching_on(watching.continuous_watch)
