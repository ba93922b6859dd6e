"""What kopf is told, and what its handlers do with what it tells."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import kopf
import pytest
from streamwarden_operator.adapters.kubernetes.resource_types import CONFIG_MAP, KINDS, OWNED, SECRET, ResourceType
from streamwarden_operator.desired.names import object_labels
from streamwarden_operator.handlers.uninstall import FINALIZERS
from streamwarden_operator.handlers.watches import build_registry, build_settings, owned_seen, resource_seen
from streamwarden_operator.keys import Key

KEY = Key("AgentDeployment", "risk", "guard")
MANIFEST = {"kind": "AgentDeployment", "metadata": {"name": "guard", "namespace": "risk"}}


class Runtime:
    """Notes what handlers ask for."""

    def __init__(self, answer: Key | None) -> None:
        self.answer = answer
        self.calls: list[tuple[str, object]] = []

    def changed(self, key: Key) -> None:
        self.calls.append(("changed", key))

    def add(self, key: Key) -> None:
        self.calls.append(("add", key))

    async def see(self, event: str | None, manifest: dict[str, Any]) -> Key | None:
        self.calls.append(("see", (event, manifest["metadata"]["name"])))
        return self.answer


@pytest.mark.parametrize("event", [None, "ADDED", "MODIFIED", "DELETED"])
@pytest.mark.parametrize(
    ("handler", "call"),
    [
        pytest.param(resource_seen, "changed", id="one-of-the-three-kinds-wakes-what-depends-on-it"),
        pytest.param(owned_seen, "add", id="something-of-an-agent-wakes-the-agent-alone"),
    ],
)
async def test_a_handler_tells_what_was_seen_and_asks_for_a_look(handler: Any, call: str, event: str | None) -> None:
    runtime = Runtime(KEY)
    await handler(event={"type": event, "object": MANIFEST}, memo=kopf.Memo(runtime=runtime), name="guard")
    assert runtime.calls == [("see", (event, "guard")), (call, KEY)]


@pytest.mark.parametrize("handler", [resource_seen, owned_seen])
async def test_what_is_no_news_wakes_nobody(handler: Any) -> None:
    runtime = Runtime(None)
    await handler(event={"type": "MODIFIED", "object": MANIFEST}, memo=kopf.Memo(runtime=runtime))
    assert [name for name, _ in runtime.calls] == ["see"]


def test_kopf_writes_nothing() -> None:
    settings = build_settings()
    assert not settings.posting.enabled
    assert settings.peering.standalone
    assert settings.scanning.disabled
    assert settings.admission.managed is None
    assert settings.persistence.finalizer not in FINALIZERS
    registry = build_registry()
    for resource in (*KINDS, *OWNED):
        found = _kopfs(resource)
        assert registry._watching.has_handlers(found)
        # These would make it patch annotations, status and finalizers.
        assert not registry._changing.has_handlers(found)
        assert not registry._spawning.has_handlers(found)


def test_what_agents_have_is_selected_by_our_label_and_the_three_kinds_are_not() -> None:
    selectors = build_settings().watching.label_selectors
    for resource in OWNED:
        if resource != CONFIG_MAP:
            assert selectors.collect(_kopfs(resource)) == ["app.kubernetes.io/managed-by=streamwarden-operator"]
    # Those that users make hold data beside rules, and are managed by somebody else; ours have both labels.
    assert selectors.collect(_kopfs(CONFIG_MAP)) == ["app.kubernetes.io/part-of=streamwarden"]
    assert object_labels("guard")["app.kubernetes.io/part-of"] == "streamwarden"
    for resource in KINDS:
        assert selectors.collect(_kopfs(resource)) == []
    assert not build_registry()._watching.has_handlers(_kopfs(SECRET))


def test_f7_an_api_server_that_is_down_for_long_is_asked_again_and_again() -> None:
    backoffs: Any = build_settings().networking.error_backoffs
    first = list(itertools.islice(backoffs, 2000))
    assert max(first) == first[-1] == 30
    assert list(itertools.islice(backoffs, 3)) == first[:3]


def test_f2_a_watch_that_stalls_in_silence_is_begun_anew_within_70_s() -> None:
    """Bookmarks come each minute to watches that live; half-open connections say nothing, and end by nothing else."""
    watching = build_settings().watching
    assert watching.inactivity_timeout == 70
    assert watching.server_timeout == 300


def test_the_import_of_the_handlers_starts_nothing() -> None:
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
    assert not kopf.get_default_registry()._watching.get_all_handlers()


def _kopfs(resource: ResourceType) -> Any:
    from kopf._cogs.structs.references import Resource

    return Resource(
        resource.group,
        resource.version,
        resource.plural,
        resource.kind,
        namespaced=True,
        preferred=True,
        verbs=frozenset(),
    )
