"""The few verbs that the operator needs of an API server; it knows nothing of what the objects mean.

Each request has a deadline, is counted, and fails in our words.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.request import getproxies

import aiohttp
import yaml
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config

from streamwarden_operator.adapters.kubernetes.deep_json import read_json
from streamwarden_operator.adapters.kubernetes.errors import AbsentError, Request, no_answer, refusal
from streamwarden_operator.adapters.kubernetes.resource_types import FIELD_MANAGER, SERVER_VERSION, ResourceType
from streamwarden_operator.errors import KubeconfigError, KubernetesUnavailableError
from streamwarden_operator.ports import Manifest
from streamwarden_operator.way import give_way
from streamwarden_operator.write_guard import WriteGuard, always

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

NO_ANSWER = "no_answer"
"""In place of a status."""

OnAnswer = Callable[[str, str, str, float], None]
"""Verb and resource as RBAC has them, the HTTP status or that there was none, and seconds."""

PAGE = 50
"""Objects in one answer to a list: a ConfigMap may have a megabyte, and a page is in memory as a whole."""
_CONNECTIONS = 32
_OK = range(200, 300)
_TOO_MANY_REQUESTS = 429
LONGEST_RETRY_AFTER_S = 60.0
"""An API server, or a proxy before it, may say any number."""
_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105  # where it is, not what


_NEVER_WRITTEN = "1"
"""A version that no object has: etcd counts from 1, and the first that is written gets 2."""


def only_new(manifest: Manifest) -> Manifest:
    """Return a manifest of which an apply makes an object; where there is one it is a conflict, and stays as it is."""
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": _NEVER_WRITTEN}}


def _ignore(_verb: str, _target: str, _code: str, _duration_s: float) -> None:
    """Where nobody listens."""


class KubernetesClient:
    """Sends requests. All calls from one event loop."""

    def __init__(
        self, configuration: Configuration, *, timeout_s: float, guard: WriteGuard = always, user_agent: str = ""
    ) -> None:
        """Make a client; it connects by itself.

        Args:
            configuration: server and credentials; tokens are refreshed by its own hook.
            timeout_s: longest wait for one answer.
            guard: asked before each request that is no read.
            user_agent: what the server's audit log knows this process by; empty: the library's own.
        """
        configuration.connection_pool_maxsize = _CONNECTIONS
        # Else aiohttp reads ~/.netrc for each request: in a thread, and what it finds there would break our own login.
        configuration.client_session_kwargs = {"trust_env": bool(getproxies())}
        self.configuration = configuration
        self.requests: Counter[tuple[str, str]] = Counter()
        """Requests sent, by verb and resource: ``("patch", "policies.streamwarden.io/status")``."""
        self.on_answer: OnAnswer = _ignore
        """Called after each request."""
        self._timeout_s = timeout_s
        self._guard = guard
        self._api = ApiClient(configuration)
        if user_agent:
            self._api.user_agent = user_agent
        self._not_before_s: dict[tuple[str, str], float] = {}

    async def token(self) -> str:
        """Return the bearer token as it is now, without its scheme; empty where certificates speak for the operator."""
        found = await self.configuration.get_api_key_with_prefix("BearerToken")
        return (found or "").rpartition(" ")[2]

    async def close(self) -> None:
        """Let go of the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]  # kubernetes.aio's own

    async def get(self, resource: ResourceType, namespace: str | None, name: str) -> Manifest | None:
        """Return an object; None where there is none. One of the whole cluster is in no namespace."""
        try:
            return await self._send("GET", Request("get", resource, namespace, name))
        except AbsentError:
            return None

    async def pages(
        self, resource: ResourceType, namespace: str | None, selector: str = "", name: str = ""
    ) -> AsyncIterator[tuple[list[Manifest], str]]:
        """Yield all objects (or those of one name) page by page, each with the version of the whole list.

        Raises:
            AbsentError: the resource is not served.
            ExpiredError: it took too long; begin again.
        """
        query = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        query |= {"fieldSelector": f"metadata.name={name}"} if name else {}
        while True:
            found = await self._send("GET", Request("list", resource, namespace), query=query)
            metadata = found.get("metadata", {})
            for item in found.get("items") or ():
                item.setdefault("apiVersion", resource.api_version)  # a list says both once for all of its items
                item.setdefault("kind", resource.kind)
            yield found.get("items") or [], str(metadata.get("resourceVersion") or "0")
            if not metadata.get("continue"):
                return
            query = {**query, "continue": metadata["continue"]}

    async def server_version(self) -> Manifest:
        """Return what the server says of itself: ``major``, ``minor``, ``gitVersion``.

        Raises:
            ForbiddenError: it does not say so to everybody.
        """
        return await self._send("GET", Request("get", SERVER_VERSION, None))

    async def apply(
        self,
        resource: ResourceType,
        manifest: Manifest,
        *,
        subresource: str = "",
        manager: str = FIELD_MANAGER,
        force: bool = True,
    ) -> Manifest:
        """Own, by server-side apply, exactly what the manifest says; returns the object as it is then.

        Args:
            resource: its type.
            manifest: what to own.
            subresource: such as ``status``.
            manager: in whose name.
            force: take what others own and say otherwise.

        Raises:
            ConflictError: the manifest names a resourceVersion, and the object has another one; or, without ``force``,
                somebody else owns a field and says otherwise.
        """
        metadata = manifest["metadata"]
        request = Request("patch", resource, metadata["namespace"], metadata["name"], subresource)
        query = {"fieldManager": manager, "force": "true" if force else "false"}
        return await self._send("PATCH", request, manifest, query=query, content_type=APPLY)

    async def patch(self, request: Request, body: object, *, content_type: str, manager: str) -> Manifest:
        """Change an object that exists.

        Raises:
            AbsentError: there is none.
        """
        return await self._send("PATCH", request, body, query={"fieldManager": manager}, content_type=content_type)

    async def replace(self, resource: ResourceType, manifest: Manifest) -> Manifest:
        """Write an object as a whole; returns it as it is then.

        Raises:
            ConflictError: it has another resourceVersion than the manifest names.
            AbsentError: there is none.
        """
        request = Request("update", resource, manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        return await self._send("PUT", request, manifest, query={"fieldManager": FIELD_MANAGER})

    async def create(self, resource: ResourceType, manifest: Manifest) -> Manifest:
        """Make an object.

        Raises:
            ConflictError: there is one of that name.
        """
        request = Request("create", resource, manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        return await self._send("POST", request, manifest, query={"fieldManager": FIELD_MANAGER})

    async def delete(self, request: Request, *, uid: str, foreground: bool = False) -> None:
        """Delete an object of this uid; one that is gone is success.

        Raises:
            ConflictError: there is another one of that name.
        """
        policy = "Foreground" if foreground else "Background"
        body = {"preconditions": {"uid": uid}, "propagationPolicy": policy}
        try:
            await self._send("DELETE", request, body)
        except AbsentError:
            return

    async def _send(
        self,
        method: str,
        request: Request,
        body: object = None,
        *,
        query: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        await give_way()
        if method != "GET":
            self._guard()
        self._check_pause(request)
        self.requests[request.verb, request.target] += 1
        name = "" if method == "POST" else request.name
        path = request.resource.path(request.namespace, name, request.subresource)
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        began_s, code = _now_s(), NO_ANSWER
        try:
            verb, url, headers, *_ = await self._api.param_serialize(
                method,
                path,
                query_params=list((query or {}).items()),
                header_params=headers,  # without the body: the library would copy it, part by part
                auth_settings=["BearerToken"],
            )
            timeout = aiohttp.ClientTimeout(total=self._timeout_s)
            response = await self._api.call_api(verb, url, headers, body, _request_timeout=timeout)
            answer = await response.read()  # type: ignore[no-untyped-call]  # kubernetes.aio's own
            code = str(response.status)
        except (aiohttp.ClientError, OSError, TimeoutError, ConfigException) as error:
            raise no_answer(request, error, self._timeout_s) from error
        finally:
            self.on_answer(request.verb, request.target, code, _now_s() - began_s)
        if response.status not in _OK:
            self._note_pause(request, response.status, response.headers.get("Retry-After"))
            raise refusal(request, response.status, answer)
        try:
            found: Manifest = read_json(answer)
        except ValueError:  # a proxy's page
            raise KubernetesUnavailableError(f"could not {request}: the answer is no JSON") from None
        return found

    def _check_pause(self, request: Request) -> None:
        """Send nothing of the kind that the server asked for patience with: the work queue tries again."""
        wait_s = self._not_before_s.get((request.verb, request.target), 0.0) - _now_s()
        if wait_s > 0:
            raise KubernetesUnavailableError(f"could not {request}: the API server is busy for {wait_s:.0f} s more")

    def _note_pause(self, request: Request, status: int, retry_after: str | None) -> None:
        if status == _TOO_MANY_REQUESTS and retry_after and retry_after.isdecimal():
            self._not_before_s[request.verb, request.target] = _now_s() + min(float(retry_after), LONGEST_RETRY_AFTER_S)


async def load_configuration(context: str = "") -> Configuration:
    """Find server and credentials: ``KUBECONFIG``, else the pod's service account, else ``~/.kube/config``.

    Args:
        context: of the kubeconfig; empty: its current one.

    Raises:
        KubeconfigError: none of them is there, or one cannot be read.
    """
    configuration = Configuration()
    named = os.environ.get("KUBECONFIG")  # the library reads it once, when it is imported
    paths = named or "~/.kube/config"
    try:
        if named is None and os.path.exists(_TOKEN):  # noqa: ASYNC240, PTH110  # once, at start
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]  # its own
        else:
            _require_one(paths)
            await load_kube_config(named, context or None, client_configuration=configuration)  # type: ignore[no-untyped-call]  # its own
    except yaml.YAMLError as error:
        raise KubeconfigError(f"the kubeconfig {paths} is not YAML: mend it, or set KUBECONFIG") from error
    except (ConfigException, OSError) as error:
        message = f"no API server to speak to: {error}. Set KUBECONFIG, or run in a pod with a service account"
        raise KubeconfigError(message) from error
    return configuration


def _require_one(paths: str) -> None:
    """Refuse where no file is: the library would complain of what an empty one lacks."""
    if not any(Path(path).expanduser().exists() for path in paths.split(os.pathsep) if path):
        raise KubeconfigError(f"no kubeconfig at {paths}. Set KUBECONFIG, or run in a pod with a service account")


def _now_s() -> float:
    return asyncio.get_running_loop().time()
