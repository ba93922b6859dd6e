"""What kopf does for the operator: it watches, and writes nothing: no finalizer, annotation, Event or status."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import kopf
from typing_extensions import override

from streamwarden_operator.adapters.kubernetes.resource_types import KINDS, OWNED, selector_of

if TYPE_CHECKING:
    from streamwarden_operator.handlers.runtime import Runtime

_REQUEST_TIMEOUT = timedelta(seconds=30)
_WATCH_TIMEOUT = timedelta(minutes=5)
"""A watch is asked for anew so often; it goes on where it stood."""
_SILENCE = timedelta(seconds=70)
"""A watch that says nothing for so long is asked for anew at once: an API server sends a bookmark each minute, and of a
connection that was lost on the way nobody hears anything else."""
_PAGE = 50
"""Objects in one answer to a list: a ConfigMap may have a megabyte, and a page is in memory as a whole."""
_LONGEST_BACKOFF_S = 30.0


class _Backoffs:
    """Pauses between attempts, for ever: an API server that is down for an hour must not end the operator."""

    def __iter__(self) -> Iterator[float]:
        yield from (1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0)
        while True:
            yield _LONGEST_BACKOFF_S


class _NoDiffs(kopf.DiffBaseStorage):
    """Keeps nothing to compare with: kopf would copy each object several times, and nobody asks for differences."""

    @override
    def build(self, **_: object) -> kopf.BodyEssence:
        return cast("kopf.BodyEssence", {})

    @override
    def fetch(self, **_: object) -> kopf.BodyEssence | None:
        return None

    @override
    def store(self, **_: object) -> None:
        return None


def build_registry() -> kopf.OperatorRegistry:
    """Return the handlers. A registry of its own: nothing happens at import."""
    registry = kopf.OperatorRegistry()
    for resource in KINDS:
        kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)(resource_seen)
    for resource in OWNED:
        kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)(owned_seen)
    kopf.on.login(registry=registry, errors=kopf.ErrorsMode.PERMANENT)(log_in)
    kopf.on.startup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)(begin)
    kopf.on.cleanup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)(end)
    return registry


def build_settings() -> kopf.OperatorSettings:
    """Return kopf's settings, with everything off that writes."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True  # resources are known, and namespaces are said: no right to list either is needed
    settings.persistence.finalizer = "streamwarden.io/never-set"  # kopf takes its own away where it finds it
    settings.persistence.diffbase_storage = _NoDiffs()
    settings.networking.request_timeout = _REQUEST_TIMEOUT.total_seconds()
    settings.networking.error_backoffs = _Backoffs()
    settings.watching.inactivity_timeout = _SILENCE.total_seconds()
    settings.watching.server_timeout = int(_WATCH_TIMEOUT.total_seconds())
    settings.watching.chunk_size = _PAGE
    for resource in OWNED:
        settings.watching.label_selectors[resource.group, resource.version, resource.plural] = selector_of(resource)
    return settings


async def resource_seen(event: kopf.RawEvent, memo: kopf.Memo, **_: object) -> None:
    """One of the three kinds: it and what depends on it are reconciled."""
    runtime: Runtime = memo.runtime
    if (key := await runtime.see(event["type"], dict(event["object"]))) is not None:
        runtime.changed(key)


async def owned_seen(event: kopf.RawEvent, memo: kopf.Memo, **_: object) -> None:
    """Something of an agent: the agent alone is reconciled."""
    runtime: Runtime = memo.runtime
    if (key := await runtime.see(event["type"], dict(event["object"]))) is not None:
        runtime.add(key)


async def log_in(memo: kopf.Memo, **_: object) -> kopf.ConnectionInfo:
    """Speak to the API server as the operator's own client does."""
    runtime: Runtime = memo.runtime
    configuration = runtime.cluster.client.configuration
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        scheme="Bearer" if (token := await runtime.cluster.client.token()) else None,
        token=token or None,
    )


async def begin(memo: kopf.Memo, **_: object) -> None:
    """List everything once; the watches begin after it."""
    runtime: Runtime = memo.runtime
    await runtime.start()


async def end(memo: kopf.Memo, **_: object) -> None:
    """Stop working; pods, gates and topics stay as they are."""
    runtime: Runtime = memo.runtime
    await runtime.stop()
