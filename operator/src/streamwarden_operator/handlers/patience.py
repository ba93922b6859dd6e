"""Bounds how long a watch waits because an API server asks for patience: kopf waits for as long as it is told to."""

import math
from collections.abc import Coroutine
from typing import Any, Protocol

import aiohttp
from kopf._cogs.clients import errors

from streamwarden_operator.adapters.kubernetes.client import LONGEST_RETRY_AFTER_S

_RETRY_AFTER = "Retry-After"


class _Check(Protocol):
    def __call__(self, response: aiohttp.ClientResponse) -> Coroutine[Any, Any, None]: ...


def patient(check: _Check) -> _Check:
    """Return a check of answers that raises what this one does, with a ``Retry-After`` that is bounded."""

    async def check_patiently(response: aiohttp.ClientResponse) -> None:
        try:
            await check(response)
        except errors.APITooManyRequestsError as error:
            asked = response.headers.get(_RETRY_AFTER, "")
            # With the header there, kopf does not look for another number in the body. It wants a whole one.
            headers = {**error.headers, _RETRY_AFTER: f"{_seconds(asked):.0f}"}
            raise errors.APITooManyRequestsError(error.message, status=error.status, headers=headers) from error

    return check_patiently


def _seconds(retry_after: str) -> float:
    """Return what to wait at least; 0 of what is no number, as a date: kopf's own pauses are waited for."""
    try:
        asked_s = float(retry_after)
    except ValueError:
        return 0.0
    return 0.0 if math.isnan(asked_s) else min(max(asked_s, 0.0), LONGEST_RETRY_AFTER_S)


def be_patient_everywhere() -> None:
    """Let all of kopf's requests of this process go by it: kopf has no setting for it."""
    if errors.check_response.__name__ != "check_patiently":
        errors.check_response = patient(errors.check_response)
