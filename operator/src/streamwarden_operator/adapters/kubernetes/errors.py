"""What the API server refuses, in our words. Translated once, here; a message never quotes a Secret."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from typing_extensions import override

from streamwarden_operator.adapters.kubernetes.resource_types import SECRET, ResourceType
from streamwarden_operator.errors import (
    ConflictError,
    ForbiddenError,
    InvalidSpecError,
    KubernetesUnavailableError,
    OperatorError,
)

_MAX_QUOTED = 600
"""Characters of the server's own words: it repeats whole objects in some."""


class AbsentError(Exception):
    """There is no such object, or no such resource. Never leaves the adapters."""


class ExpiredError(Exception):
    """The page to go on from is too old: list again from the start. Never leaves the adapters."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked, as people who write RBAC rules name it."""

    verb: str
    resource: ResourceType
    namespace: str | None
    name: str = ""
    subresource: str = ""

    @property
    def target(self) -> str:
        """The resource as RBAC names it: ``policies.streamwarden.io/status``."""
        return f"{self.resource.described}/{self.subresource}" if self.subresource else self.resource.described

    @override
    def __str__(self) -> str:
        if self.resource.url:
            return f"{self.verb} {self.resource.url}"
        where = f"in namespace {self.namespace!r}" if self.namespace else "in all namespaces"
        return f"{self.verb} {self.target} {f'{self.name!r} ' if self.name else ''}{where}"


def refusal(request: Request, status: int, body: bytes) -> Exception:
    """Return the error that an answer stands for."""
    said = _said(request, body)
    match status:
        case HTTPStatus.NOT_FOUND:
            return AbsentError(str(request))
        case HTTPStatus.GONE:
            return ExpiredError(str(request))
        case HTTPStatus.FORBIDDEN:
            return ForbiddenError(
                f"the API server forbids to {request}: {said}. If the operator lacks the right, apply config/rbac, and "
                "config/namespace to each namespace with agents"
            )
        case HTTPStatus.CONFLICT:
            return ConflictError(f"could not {request}: {said}")
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
            return InvalidSpecError(f"the API server refuses to {request}: {said}")
        case _:
            return KubernetesUnavailableError(f"could not {request}: the API server answered {status}: {said}")


def no_answer(request: Request, error: Exception, timeout_s: float) -> OperatorError:
    """Return the error that the lack of an answer stands for."""
    why = f"no answer within {timeout_s:g} s" if isinstance(error, TimeoutError) else f"{error or type(error).__name__}"
    return KubernetesUnavailableError(f"could not {request}: {why}")


def status_of(body: bytes) -> dict[str, Any]:
    """Read the ``Status`` object of a refusal; empty where it is none."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _said(request: Request, body: bytes) -> str:
    status = status_of(body)
    if request.resource == SECRET and status.get("reason") not in {"Forbidden", "NotFound", "Conflict"}:
        return str(status.get("reason") or "no reason given")
    message = str(status.get("message") or body[:_MAX_QUOTED].decode(errors="replace") or "no reason given")
    return message if len(message) <= _MAX_QUOTED else f"{message[:_MAX_QUOTED]} …"
