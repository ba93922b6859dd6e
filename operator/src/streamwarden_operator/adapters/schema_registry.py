"""A schema registry with Confluent's API: Confluent's own, Apicurio, Karapace."""

import math
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from streamwarden_contract.reasons import ConditionReason

from streamwarden_operator.errors import InvalidSpecError, RegistryUnavailableError
from streamwarden_operator.ports import SubjectSchema
from streamwarden_operator.write_guard import WriteGuard, always

MAX_REFUSAL = 600
"""Characters of a registry's refusal to pass on: differences are listed with whole schemas in them."""

_NOT_FOUND = 404
_CONNECT_ATTEMPTS = 2
_NO_JSON = (ValueError, RecursionError)
"""What reading an answer as JSON raises: also where a proxy's page is no UTF-8, or something nests too deep."""
_REFUSALS = frozenset({400, 409, 422})
"""The schema is at fault; every other failure is an outage, and retried."""

_SILENT_AFTER, _PAUSE_S = 3, 10.0
"""So many requests in a row without an answer in time, and so long nobody asks: each holds a worker until then, and all
contracts with a schema would hold all of them, one after another."""


class ConfluentRegistry:
    """Implements ``ports.SchemaRegistry``."""

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 10.0,
        transport: httpx.AsyncBaseTransport | None = None,
        guard: WriteGuard = always,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make a client; it connects by itself.

        Args:
            url: base URL of the API, as in ``http://localhost:8081`` or ``http://localhost:8080/apis/ccompat/v7``.
            timeout_s: longest wait for connecting, and for each part of an answer.
            transport: how requests travel; HTTP where left out.
            guard: asked before each request that is no read.
            clock_s: tells seconds.
        """
        self._guard = guard
        self._clock_s = clock_s
        self._unanswered = 0
        """Requests in a row that had no answer in time."""
        self._silent_until_s, self._silence = -math.inf, ""
        self._client = httpx.AsyncClient(
            base_url=url.rstrip("/") + "/",
            timeout=timeout_s,
            transport=transport or httpx.AsyncHTTPTransport(retries=_CONNECT_ATTEMPTS),
            headers={"Accept": "application/vnd.schemaregistry.v1+json, application/json"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def observe(self, subject: str) -> SubjectSchema | None:
        """Return the latest schema of a subject, None where it has none."""
        return await self._version(subject, "latest")

    async def find(self, subject: str, definition: str) -> SubjectSchema | None:
        """Return the version of a subject that has this schema, None where none has."""
        response = await self._look_up(subject, definition, absent_is_an_answer=True)
        return None if response.status_code == _NOT_FOUND else await self._read(subject, response)

    async def set_compatibility(self, subject: str, level: str) -> None:
        """Set what a new version of the subject's schema must be compatible with."""
        response = await self._send("PUT", f"config/{_escape(subject)}", {"compatibility": level})
        _check(response, f"set the compatibility of {subject!r} to {level}")

    async def register(self, subject: str, definition: str) -> SubjectSchema:
        """Register a JSON Schema as a new version; one that is there already gives its version."""
        response = await self._send("POST", f"subjects/{_escape(subject)}/versions", _body(definition))
        _check(response, f"register the schema of {subject!r}")
        return await self._read(subject, await self._look_up(subject, definition))

    async def delete(self, subject: str) -> None:
        """Delete a subject with all its versions and its level; an absent one is success."""
        path = f"subjects/{_escape(subject)}"
        for params in ({}, {"permanent": "true"}):
            response = await self._send("DELETE", path, params=params)
            if response.status_code != _NOT_FOUND:
                _check(response, f"delete {subject!r}")
        response = await self._send("DELETE", f"config/{_escape(subject)}")
        if response.status_code != _NOT_FOUND:
            _check(response, f"delete the compatibility of {subject!r}")

    async def _look_up(self, subject: str, definition: str, *, absent_is_an_answer: bool = False) -> httpx.Response:
        response = await self._send("POST", f"subjects/{_escape(subject)}", _body(definition))
        if not (absent_is_an_answer and response.status_code == _NOT_FOUND):
            _check(response, f"look up the schema of {subject!r}")
        return response

    async def _version(self, subject: str, version: str) -> SubjectSchema | None:
        response = await self._send("GET", f"subjects/{_escape(subject)}/versions/{version}")
        if response.status_code == _NOT_FOUND:
            return None
        _check(response, f"read the schema of {subject!r}")
        return await self._read(subject, response)

    async def _read(self, subject: str, response: httpx.Response) -> SubjectSchema:
        found = _json(response)
        try:
            return SubjectSchema(
                subject=subject,
                schema_id=int(found["id"]),
                version=int(found["version"]),
                definition=str(found["schema"]),
                compatibility_level=await self._level(subject),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RegistryUnavailableError(f"the registry's answer on {subject!r} is no schema") from error

    async def _level(self, subject: str) -> str | None:
        """Return the subject's own level; the registry's default is not ours to compare."""
        response = await self._send("GET", f"config/{_escape(subject)}")
        if response.status_code == _NOT_FOUND:
            return None
        _check(response, f"read the compatibility of {subject!r}")
        level = _json(response).get("compatibilityLevel")
        return level if isinstance(level, str) else None

    async def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, str] | None = None,
        *,
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        if method != "GET":
            self._guard()
        if (left_s := self._silent_until_s - self._clock_s()) > 0:
            raise self._no_answer(self._silence, retry_after_s=left_s)
        try:
            response = await self._client.request(method, path, json=body, params=params)
        except httpx.TimeoutException as error:
            self._unanswered += 1
            if self._unanswered >= _SILENT_AFTER:
                self._silent_until_s, self._silence = self._clock_s() + _PAUSE_S, type(error).__name__
            raise self._no_answer(type(error).__name__) from error
        except httpx.HTTPError as error:
            raise self._no_answer(type(error).__name__) from error
        self._unanswered = 0
        return response

    def _no_answer(self, why: str, *, retry_after_s: float = 0.0) -> RegistryUnavailableError:
        error = RegistryUnavailableError(f"the schema registry at {self._client.base_url.host} does not answer ({why})")
        error.retry_after_s = retry_after_s
        return error


def _body(definition: str) -> dict[str, str]:
    return {"schemaType": "JSON", "schema": definition}


def _check(response: httpx.Response, doing: str) -> None:
    """Raise what a refusal means: the schema's fault is the user's, everything else an outage."""
    if response.is_success:
        return
    message = f"could not {doing}: {_explain(response)}"
    if response.status_code in _REFUSALS:
        raise InvalidSpecError(message, reason=ConditionReason.INVALID_SCHEMA)
    raise RegistryUnavailableError(message)


def _explain(response: httpx.Response) -> str:
    """Return the registry's own words, cut to what fits a condition."""
    try:
        body = response.json()
    except _NO_JSON:
        body = {}
    said = body.get("message") or body.get("detail") if isinstance(body, dict) else None
    text = " ".join(str(said).split()) if said else "no explanation"
    shown = text if len(text) <= MAX_REFUSAL else f"{text[: MAX_REFUSAL - 2]} …"
    return f"HTTP {response.status_code}, {shown}"


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except _NO_JSON as error:
        raise RegistryUnavailableError("the registry's answer is no JSON") from error
    if not isinstance(body, dict):
        raise RegistryUnavailableError("the registry's answer is no JSON object")
    return body


def _escape(subject: str) -> str:
    return quote(subject, safe="")
