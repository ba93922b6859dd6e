"""Data beside the rules of a policy that stands in a ConfigMap: read, and put into what is published. Pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import yaml
from pydantic import TypeAdapter, ValidationError
from streamwarden_contract import canonical
from streamwarden_contract.errors import MalformedEventError
from streamwarden_contract.models import Policy
from streamwarden_contract.models.policy import Params, ParamsSource, PolicySpec
from streamwarden_contract.reasons import ConditionReason
from streamwarden_judging.typed.data_types import MAX_DATA_BYTES

from streamwarden_operator.desired.acceptance import Refusal
from streamwarden_operator.desired.names import DATA_SELECTOR
from streamwarden_operator.desired.yaml_nodes import Document, Loader, TooLargeError, field_text

FIELD = "spec.paramsFrom.configMapKeyRef"
FindConfigMap = Callable[[str, str], Mapping[str, str | int] | None]
"""Namespace and name: what it holds, by key (of what is too large, the size); None where there is none."""
_PARAMS: TypeAdapter[dict[str, canonical.JsonValue]] = TypeAdapter(Params)
_VALUE_OF_DATA = re.compile(r"\bparams\.\w")
_MAX_READ = 64
MAX_YAML_BYTES = 16 * 1024
"""Reading 64 KiB of YAML holds the operator for half a second (measured); as JSON, less than one millisecond."""


@dataclass(frozen=True, slots=True)
class EffectivePolicy:
    """A policy as it would be published: with the data that it refers to."""

    policy: Policy
    fault: Refusal | None = None
    """Why the data is not to be had; then the policy is as it was written."""


def params_config_map(spec: PolicySpec) -> str | None:
    """Return the name of the ConfigMap with a policy's data; None where it has none there."""
    return None if spec.params_from is None else spec.params_from.config_map_key_ref.name


def with_source(refusals: Iterable[Refusal], spec: PolicySpec) -> list[Refusal]:
    """Add where the data comes from to what is said of its values: the policy itself does not show them.

    Args:
        refusals: of the policy with its data.
        spec: of the policy as it was written.
    """
    if spec.params_from is None:
        return list(refusals)
    ref = spec.params_from.config_map_key_ref
    source = f" (params: {ref.key!r} of the ConfigMap {ref.name!r})"
    return [
        replace(each, message=each.message + source) if _VALUE_OF_DATA.search(each.message) else each
        for each in refusals
    ]


def effective(policy: Policy, find: FindConfigMap) -> EffectivePolicy:
    """Put the data that a policy refers to into it."""
    text = params_text(policy, find)
    if not isinstance(text, str):
        return EffectivePolicy(policy, text)
    return with_params(policy, read_params(text))


def params_text(policy: Policy, find: FindConfigMap) -> str | Refusal | None:
    """Return the text of the data that a policy refers to, or why there is none; None where it refers to none."""
    if policy.spec.params_from is None:
        return None
    namespace, ref = policy.metadata.namespace, policy.spec.params_from.config_map_key_ref
    data = find(namespace, ref.name)
    if data is None:
        message = f"there is no ConfigMap {ref.name!r} in the namespace {namespace!r} with the label {DATA_SELECTOR}"
        return Refusal(ConditionReason.REF_NOT_FOUND, f"{FIELD}.name", message)
    if ref.key not in data:
        there = ", ".join(sorted(data)[:8]) or "nothing"
        message = f"the ConfigMap {ref.name!r} has no key {ref.key!r}; it has {there}"
        return Refusal(ConditionReason.REF_NOT_FOUND, f"{FIELD}.key", message)
    text = data[ref.key]
    if isinstance(text, int):
        return Refusal(
            ConditionReason.INVALID_SPEC, f"{FIELD}.key", _in_config_map(policy.spec.params_from, _too_large(text))
        )
    return text


def with_params(policy: Policy, found: dict[str, canonical.JsonValue] | str) -> EffectivePolicy:
    """Put data that was read into the policy that refers to it.

    Args:
        policy: the policy.
        found: what ``read_params`` returned.
    """
    if policy.spec.params_from is None:
        return EffectivePolicy(policy)
    if isinstance(found, str):
        refusal = Refusal(ConditionReason.INVALID_SPEC, f"{FIELD}.key", _in_config_map(policy.spec.params_from, found))
        return EffectivePolicy(policy, refusal)
    spec = policy.spec.model_copy(update={"params": found, "params_from": None})
    return EffectivePolicy(policy.model_copy(update={"spec": spec}))


@lru_cache(maxsize=_MAX_READ)
def read_params(text: str) -> dict[str, canonical.JsonValue] | str:
    """Return the mapping that a text says in JSON or YAML; or, in words, why it says none. Shared: read it only."""
    size = len(text.encode(errors="replace"))
    if size > MAX_DATA_BYTES:
        return _too_large(size)
    value, fault = _json(text) if text.lstrip()[:1] == "{" else (None, "")
    if value is None:
        if size > MAX_YAML_BYTES:
            return f"{size} bytes, and of YAML at most {MAX_YAML_BYTES} are read: write it as JSON{fault}"
        value = _yaml(text)
    if isinstance(value, str):
        return value
    try:
        return _PARAMS.validate_python(value)
    except ValidationError as error:
        return error.errors(include_url=False, include_input=False)[0]["msg"]


def _in_config_map(source: ParamsSource, message: str) -> str:
    ref = source.config_map_key_ref
    return f"{ref.key!r} of the ConfigMap {ref.name!r}: {message}"


def _too_large(size: int) -> str:
    return f"{size} bytes, and at most {MAX_DATA_BYTES} are allowed"


def _json(text: str) -> tuple[canonical.JsonValue, str]:
    """Return what a text says in JSON, or why it says nothing: YAML's flow style begins alike."""
    try:
        return canonical.decode(text.encode()), ""
    except MalformedEventError as error:
        return None, f", which it is not yet: {error}"
    except UnicodeEncodeError:
        return None, ""


def _yaml(text: str) -> dict[str, canonical.JsonValue] | str:
    document = Document()
    try:
        node = yaml.compose(text, Loader=Loader)
        value = None if node is None else document.read(node)
    except (yaml.YAMLError, TooLargeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f"{mark.line + 1}:{mark.column + 1}: "
        return f"{where}not JSON or YAML: {getattr(error, 'problem', None) or str(error).splitlines()[0]}"
    if document.faults:
        first = document.faults[0]
        path = f"{field_text(first.path)}: " if first.path else ""
        return f"{first.line}:{first.column}: {path}{first.message}"
    return value if isinstance(value, dict) else "must be a mapping of names to values"
