"""What an agent's process has in its environment by its manifest. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from streamwarden_contract.models.pod import EnvFromSource, EnvVar, PodFields

    from streamwarden_cli.local.local_secrets import LocalSecrets


@dataclass(frozen=True, slots=True)
class AgentEnvironment:
    """The variables of an agent."""

    said: Mapping[str, str]
    """Values that the manifest itself says."""
    secret: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Values from Secrets."""
    missing: tuple[str, ...] = ()
    """Why it cannot start: Secrets that nobody gave."""


def agent_environment(pod: PodFields, namespace: str, secrets: LocalSecrets | None) -> AgentEnvironment:
    """Resolve ``env`` and ``envFrom``; with no Secrets given, what comes from one is left out.

    As in a pod, ``env`` goes before ``envFrom``, and a later source before an earlier one.
    """
    said = {variable.name: variable.value for variable in pod.env if variable.value_from is None}
    if secrets is None:
        return AgentEnvironment(said)
    missing: list[str] = []
    whole: dict[str, str] = {}
    for index, source in enumerate(pod.env_from):
        whole |= _whole(source, f"spec.envFrom[{index}].secretRef", namespace, secrets, missing)
    single: dict[str, str] = {}
    for index, variable in enumerate(pod.env):
        single |= _single(variable, f"spec.env[{index}].valueFrom.secretKeyRef", namespace, secrets, missing)
    by_name = {variable.name for variable in pod.env}
    return AgentEnvironment(
        said, {**{name: value for name, value in whole.items() if name not in by_name}, **single}, tuple(missing)
    )


def unresolved(pod: PodFields, *, with_secrets: bool) -> Iterator[str]:
    """Yield the fields of the environment that a process of ``dev`` has not."""
    if any(
        variable.value_from is not None and (variable.value_from.secret_key_ref is None or not with_secrets)
        for variable in pod.env
    ):
        yield "spec.env[].valueFrom"
    if any(source.secret_ref is None or not with_secrets for source in pod.env_from):
        yield "spec.envFrom"


def _whole(
    source: EnvFromSource, path: str, namespace: str, secrets: LocalSecrets, missing: list[str]
) -> dict[str, str]:
    if source.secret_ref is None:
        return {}
    found = secrets.find(namespace, source.secret_ref.name)
    if found is None and not source.secret_ref.optional:
        missing.append(f"{path}: no Secret {namespace}/{source.secret_ref.name} in what --secrets names")
    return {source.prefix + key: value for key, value in (found or {}).items()}


def _single(variable: EnvVar, path: str, namespace: str, secrets: LocalSecrets, missing: list[str]) -> dict[str, str]:
    ref = variable.value_from.secret_key_ref if variable.value_from is not None else None
    if ref is None:
        return {}
    value = (secrets.find(namespace, ref.name) or {}).get(ref.key)
    if value is not None:
        return {variable.name: value}
    if not ref.optional:
        missing.append(f"{path}: no key {ref.key!r} of a Secret {namespace}/{ref.name} in what --secrets names")
    return {}
