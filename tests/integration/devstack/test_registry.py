"""The registry behaves as reconcilers count on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from support.stack_fixture import RunningStack


def register(stack: RunningStack, subject: str, schema: dict[str, object]) -> httpx.Response:
    body = {"schemaType": "JSON", "schema": json.dumps(schema)}
    return httpx.post(f"{stack.registry_url}/subjects/{subject}/versions", json=body, trust_env=False, timeout=30)


def described(**types: str) -> dict[str, object]:
    properties = {name: {"type": kind} for name, kind in types.items()}
    return {"type": "object", "properties": properties, "required": sorted(types), "additionalProperties": False}


def test_an_incompatible_schema_is_answered_with_409(stack_with_registry: RunningStack, unique: str) -> None:
    assert register(stack_with_registry, unique, described(url="string")).status_code == 200
    config = f"{stack_with_registry.registry_url}/config/{unique}"
    httpx.put(config, json={"compatibility": "BACKWARD"}, trust_env=False).raise_for_status()

    refused = register(stack_with_registry, unique, described(url="integer"))

    assert refused.status_code == 409
    versions = httpx.get(f"{stack_with_registry.registry_url}/subjects/{unique}/versions", trust_env=False)
    assert versions.json() == [1]


def test_the_same_schema_again_keeps_its_id(stack_with_registry: RunningStack, unique: str) -> None:
    first = register(stack_with_registry, unique, described(url="string")).json()
    again = register(stack_with_registry, unique, described(url="string")).json()

    assert first["id"] == again["id"]


def test_a_subject_can_be_deleted(stack_with_registry: RunningStack, unique: str) -> None:
    register(stack_with_registry, unique, described(url="string"))
    subject = f"{stack_with_registry.registry_url}/subjects/{unique}"

    assert httpx.delete(subject, trust_env=False).status_code == 200
    assert httpx.get(f"{subject}/versions", trust_env=False).status_code == 404
