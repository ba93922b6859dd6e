"""Whether an object in the cluster is as its manifest says."""

from __future__ import annotations

from typing import Any

import pytest
from streamwarden_operator.plans.manifests import canonical, contains, content_of, stamp

MANIFEST = {"kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": "y"}}, "data": {"k": "v"}}


@pytest.mark.parametrize(
    ("live", "desired", "expected"),
    [
        pytest.param({"a": 1, "b": 2}, {"a": 1}, True, id="more-than-was-said-is-no-matter"),
        pytest.param({"a": 1}, {"a": 2}, False, id="another-value"),
        pytest.param({"b": 1}, {"a": 1}, False, id="a-missing-value"),
        pytest.param({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 1}}}, True, id="at-any-depth"),
        pytest.param({"l": [{"n": "a", "more": 1}]}, {"l": [{"n": "a"}]}, True, id="items-may-say-more"),
        pytest.param({"l": [{"n": "a"}, {"n": "b"}]}, {"l": [{"n": "a"}]}, False, id="a-foreign-item-is-a-difference"),
        pytest.param({"l": [2, 1]}, {"l": [1, 2]}, False, id="another-order"),
        pytest.param({}, {"a": "", "b": None, "c": [], "d": {}}, True, id="empty-values-are-not-stored"),
        pytest.param({"d": {"x": 1}}, {"d": {}}, True, id="an-empty-map-says-nothing"),
        pytest.param({"a": "b"}, {"a": ""}, False, id="an-empty-text-is-not-any-text"),
        pytest.param({"a": 1}, {"a": True}, False, id="a-number-is-no-truth"),
        pytest.param({"a": False}, {"a": False}, True, id="false-is-a-value"),
        pytest.param({}, {"a": False}, False, id="false-is-not-nothing"),
        pytest.param(None, {"a": 1}, False, id="nothing-has-no-fields"),
    ],
)
def test_an_object_contains_its_manifest(live: object, desired: object, expected: bool) -> None:  # noqa: FBT001  # a parameter of the test
    assert contains(live, desired) is expected


def test_a_stamp_is_the_hash_of_what_is_said_and_changes_with_it() -> None:
    stamped, found = stamp(MANIFEST)
    assert stamped["metadata"]["annotations"] == {"streamwarden.io/manifest-hash": found}
    assert stamped["data"] == MANIFEST["data"]
    assert "annotations" not in MANIFEST["metadata"]
    assert stamp({**MANIFEST, "data": {"k": "w"}})[1] != found
    assert stamp(dict(reversed(MANIFEST.items())))[1] == found


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"status": {"replicas": 9}}, id="a-status"),
        pytest.param({"spec": {"replicas": 5, "paused": False}}, id="the-number-of-pods"),
        pytest.param({"metadata": {"resourceVersion": "9", "generation": 9}}, id="bookkeeping"),
        pytest.param({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "9"}}}, id="a-revision"),
    ],
)
def test_what_changes_by_itself_is_no_content(change: dict[str, Any]) -> None:
    live: dict[str, Any] = {
        "metadata": {"name": "a", "annotations": {"deployment.kubernetes.io/revision": "1"}, "resourceVersion": "1"},
        "spec": {"replicas": 1, "paused": False},
        "status": {},
    }
    merged = {**live, **change}
    if "metadata" in change:
        merged["metadata"] = {**live["metadata"], **change["metadata"]}
    assert canonical(content_of(merged)) == canonical(content_of(live))


def test_what_somebody_changed_is_content() -> None:
    live = {"metadata": {"name": "a", "labels": {}}, "spec": {"paused": False}}
    assert canonical(content_of({**live, "spec": {"paused": True}})) != canonical(content_of(live))
    relabelled = {**live, "metadata": {"name": "a", "labels": {"x": "y"}}}
    assert canonical(content_of(relabelled)) != canonical(content_of(live))
