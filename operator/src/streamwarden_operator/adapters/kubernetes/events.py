"""Kubernetes Events: what people should act on or know of. One that cannot be recorded never fails a reconcile."""

import socket
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from streamwarden_operator.adapters.kubernetes.client import MERGE, KubernetesClient
from streamwarden_operator.adapters.kubernetes.errors import AbsentError, Request
from streamwarden_operator.adapters.kubernetes.resource_types import EVENT, FIELD_MANAGER, type_of_key
from streamwarden_operator.clock import utc_now
from streamwarden_operator.desired.status import format_time
from streamwarden_operator.errors import OperatorError
from streamwarden_operator.keys import Key

SAME_FOR = timedelta(minutes=10)
"""So long the same words about the same object are one Event that counts."""

_REMEMBERED = 2_000
_MAX_MESSAGE = 1024
"""The API server takes no more."""
_MAX_PREFIX = 200
"""Of an Event's name, which is the object's and a random end."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Recorded:
    name: str
    count: int
    last: datetime


class EventRecorder:
    """Writes core/v1 Events regarding the three kinds, and namespaces."""

    def __init__(self, client: KubernetesClient, clock: Callable[[], datetime] = utc_now) -> None:
        """Make a recorder over an API server."""
        self._client = client
        self._clock = clock
        self._recorded: OrderedDict[tuple[str, str, str], _Recorded] = OrderedDict()

    async def record(self, key: Key, uid: str, *, reason: str, message: str, warning: bool) -> None:
        """Record an Event, or raise the count of the same one of some minutes ago."""
        resource = type_of_key(key)
        regarding = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "namespace": key.namespace,
            "name": key.name,
            "uid": uid,
        }
        await self._record(regarding, reason, message, warning=warning)

    async def record_of_namespace(self, namespace: str, *, reason: str, message: str, warning: bool) -> None:
        """Likewise, of a namespace as a whole: it is found among the Events in it."""
        regarding = {"apiVersion": "v1", "kind": "Namespace", "namespace": namespace, "name": namespace, "uid": ""}
        await self._record(regarding, reason, message, warning=warning)

    async def _record(self, regarding: Mapping[str, str], reason: str, message: str, *, warning: bool) -> None:
        what = (regarding["uid"] or regarding["namespace"], reason, message)
        recorded = self._recorded.get(what)
        try:
            if recorded is not None and self._clock() - recorded.last < SAME_FOR:
                self._recorded[what] = await self._repeat(regarding["namespace"], recorded)
            else:
                self._recorded[what] = await self._create(regarding, reason, message, warning=warning)
        except AbsentError:
            self._recorded.pop(what, None)  # it is too old for the API server, or its namespace is going
        except OperatorError as error:
            _log.warning(
                "event not recorded",
                regarding=dict(regarding),
                reason=reason,
                error=str(error),
            )
        while len(self._recorded) > _REMEMBERED:
            self._recorded.popitem(last=False)

    async def _create(self, regarding: Mapping[str, str], reason: str, message: str, *, warning: bool) -> _Recorded:
        now = self._clock()
        name = f"{regarding['name'][:_MAX_PREFIX]}.{uuid4().hex[:16]}"
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": regarding["namespace"]},
            "involvedObject": {part: value for part, value in regarding.items() if value},
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "message": message if len(message) <= _MAX_MESSAGE else f"{message[: _MAX_MESSAGE - 2]} …",
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": socket.gethostname(),
            "firstTimestamp": format_time(now),
            "lastTimestamp": format_time(now),
            "count": 1,
        }
        await self._client.create(EVENT, event)
        return _Recorded(name, 1, now)

    async def _repeat(self, namespace: str, recorded: _Recorded) -> _Recorded:
        again = replace(recorded, count=recorded.count + 1, last=self._clock())
        body = {"count": again.count, "lastTimestamp": format_time(again.last)}
        request = Request("patch", EVENT, namespace, recorded.name)
        await self._client.patch(request, body, content_type=MERGE, manager=FIELD_MANAGER)
        return again
