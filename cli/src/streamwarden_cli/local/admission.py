"""What an API server and the operator's acceptance do with a manifest, for files: all of it, or nothing.

``admit`` looks at one manifest, ``check_set`` at resources together, ``admit_all`` at a folder.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from streamwarden_contract.models import KINDS, AgentDeployment, Kind, Policy, TopicContract
from streamwarden_contract.models.policy import PolicySpec
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.desired import acceptance
from streamwarden_operator.desired.policy_params import effective, with_source
from streamwarden_operator.desired.yaml_nodes import FieldPath, JsonValue

from streamwarden_cli.generated.crd_yaml import structural_schema
from streamwarden_cli.local.manifests import Problem, Reading
from streamwarden_cli.local.policy_sets import checked_policies, of_kind
from streamwarden_cli.local.remarks import remarks
from streamwarden_cli.local.structural import (
    FieldProblem,
    broken_rules,
    nearest,
    problems_of,
    unknown_fields,
    with_defaults,
)

ResourceKey = tuple[str, str, str]
"""Kind, namespace, name."""

_KINDS: Mapping[str, type[Kind]] = {kind.__name__: kind for kind in KINDS}
_METADATA_FIELDS = frozenset(
    {
        "annotations",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "managedFields",
        "name",
        "namespace",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)
_USERS_METADATA = ("name", "namespace", "labels", "annotations")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_MAX_NAME = 253
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PART = re.compile(r"\[(?P<index>[0-9]+)\]|(?P<name>[^.\[\]]+)")


@dataclass(frozen=True, slots=True)
class Admitted:
    """A resource as it would be stored."""

    resource: Kind
    """With its generation: one more than before where the spec changed. Uid and age are the store's to give."""


@dataclass(frozen=True, slots=True)
class SetProblem:
    """A resource that does not fit the others."""

    key: ResourceKey
    problem: FieldProblem


@dataclass(frozen=True, slots=True)
class Admission:
    """What came of a folder: where there is any problem, nothing may be applied."""

    resources: tuple[Kind, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    """What would be applied, and is hardly meant."""


def admit(manifest: Mapping[str, JsonValue], old: Kind | None) -> Admitted | list[FieldProblem]:
    """Judge one manifest of a known kind as a strict API server and the operator would.

    Args:
        manifest: the manifest; its ``status`` is left out, as it is by an API server.
        old: the stored resource of that name; None on creation.
    """
    kind = _KINDS[str(manifest["kind"])]
    schema = structural_schema(kind)
    value = cast("dict[str, JsonValue]", with_defaults({**manifest, "status": None}, schema))
    value.pop("status", None)
    problems = [
        *_metadata_problems(value.get("metadata")),
        *unknown_fields({key: item for key, item in manifest.items() if key != "status"}, schema, ()),
        *problems_of(value, schema, ()),
    ]
    if problems:
        return problems
    before = None if old is None else cast("JsonValue", old.model_dump(mode="json", by_alias=True, exclude_none=True))
    problems = [_at_the_name(problem) for problem in broken_rules(value, before, schema, ())]
    if problems:
        return problems
    resource = kind.model_validate({"metadata": _metadata(value), "spec": value["spec"]})
    refusals = _refusals(resource)
    if refusals:
        return [FieldProblem(_parse(refusal.field), refusal.message, refusal.reason) for refusal in refusals]
    return Admitted(_with_generation(resource, old))


def check_set(resources: Sequence[Kind], written: Mapping[ResourceKey, PolicySpec] | None = None) -> list[SetProblem]:
    """Return what is wrong with resources together: references to nothing, two claims on a topic, ways round gates.

    Args:
        resources: as they would be judged by.
        written: policies as they were written, where their data comes from elsewhere.
    """
    contracts = of_kind(TopicContract, resources)
    agents = of_kind(AgentDeployment, resources)
    found = [
        (_key(contract), refusal)
        for contract in contracts
        for refusal in acceptance.accept_contract(contract, contracts, agents)
    ]
    for agent in agents:
        namespace = agent.metadata.namespace
        here = {contract.metadata.name for contract in contracts if contract.metadata.namespace == namespace}
        for refusal in (*acceptance.accept_agent(agent, here), *acceptance.accept_event_schemas(agent, contracts)):
            near = ""
            if refusal.reason == ConditionReason.REF_NOT_FOUND:
                name = dict(acceptance.topic_refs(agent))[refusal.field]
                near = _elsewhere(name, contracts) or nearest(name, sorted(here))
            found.append((_key(agent), acceptance.Refusal(refusal.reason, refusal.field, refusal.message + near)))
    for policy, checks in checked_policies(resources):
        refusals = acceptance.accept_policy(policy, checks=checks)
        found += [
            (_key(policy), each) for each in with_source(refusals, (written or {}).get(_key(policy), policy.spec))
        ]
    return [
        SetProblem(key, FieldProblem(_parse(refusal.field), refusal.message, refusal.reason)) for key, refusal in found
    ]


def _elsewhere(name: str, contracts: Sequence[TopicContract]) -> str:
    """Say that a contract of the name is in another namespace: one is easily forgotten."""
    found = sorted(each.metadata.namespace for each in contracts if each.metadata.name == name)
    return f"; there is one in {found[0]!r}: is metadata.namespace right?" if found else ""


def admit_all(reading: Reading, old: Mapping[ResourceKey, Kind]) -> Admission:
    """Judge what was read, each manifest for itself and then, where all are good, together.

    Args:
        reading: what the folder holds; its problems are the admission's too.
        old: what is stored now.
    """
    resources: list[Kind] = []
    written: dict[ResourceKey, PolicySpec] = {}
    problems = list(reading.problems)
    for manifest in reading.manifests:
        outcome = admit(manifest.value, old.get(manifest.key))
        if isinstance(outcome, Admitted) and isinstance(outcome.resource, Policy):
            written[manifest.key] = outcome.resource.spec
        if isinstance(outcome, Admitted) and not reading.problems:
            outcome = _with_params(outcome.resource, reading)
        if isinstance(outcome, Admitted):
            resources.append(outcome.resource)
        else:
            problems.extend(manifest.problem(found.path, found.message, found.reason) for found in outcome)
    sources = {manifest.key: manifest for manifest in reading.manifests}
    if not problems:  # else much of what follows would only follow from them
        problems = [
            sources[found.key].problem(found.problem.path, found.problem.message, found.problem.reason)
            for found in check_set(resources, written)
        ]
    if problems:
        return Admission(problems=tuple(sorted(problems)))
    warnings = [sources[_key(of)].problem(path, message, word) for of, path, message, word in remarks(resources)]
    return Admission(tuple(resources), warnings=tuple(sorted(warnings)))


def _with_params(resource: Kind, reading: Reading) -> Admitted | list[FieldProblem]:
    """Put what a ConfigMap of the folder holds into the policy that refers to it: an edit of either is one of it."""
    if not isinstance(resource, Policy):
        return Admitted(resource)
    found = effective(resource, reading.config_map)
    if found.fault is None:
        return Admitted(found.policy)
    return [FieldProblem(_parse(found.fault.field), found.fault.message, found.fault.reason)]


def _at_the_name(problem: FieldProblem) -> FieldProblem:
    """Show a rule on the whole object at ``metadata.name``, the only thing that such a rule can speak of."""
    if problem.path:
        return problem
    return FieldProblem(("metadata", "name"), problem.message.removeprefix("metadata.name: "))


def _metadata(value: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return what a manifest may say of its metadata: the rest is the store's."""
    metadata = cast("dict[str, JsonValue]", value["metadata"])
    return {key: metadata[key] for key in _USERS_METADATA if metadata.get(key) is not None}


def _refusals(resource: Kind) -> list[acceptance.Refusal]:
    """Check what the API server cannot, of this resource alone."""
    match resource:
        case TopicContract():
            return acceptance.accept_contract(resource, (), ())
        case Policy():
            return acceptance.accept_policy(resource)
        case AgentDeployment():
            return acceptance.accept_agent(resource, {name for _, name in acceptance.topic_refs(resource)})
        case _:
            raise TypeError(type(resource).__name__)


def _with_generation(resource: Kind, old: Kind | None) -> Kind:
    if old is None:
        generation = 1
    else:
        same = resource.model_dump(include={"spec"}) == old.model_dump(include={"spec"})
        generation = old.metadata.generation + (0 if same else 1)
    metadata = resource.metadata.model_copy(update={"generation": generation})
    return resource.model_copy(update={"metadata": metadata})


def _key(resource: Kind) -> ResourceKey:
    metadata = resource.metadata
    return type(resource).__name__, metadata.namespace, metadata.name


def _parse(field: str) -> FieldPath:
    """Read a field's path; the checks that write one never name a key with a dot."""
    return tuple(int(part["index"]) if part["index"] else part["name"] for part in _PART.finditer(field))


def _metadata_problems(metadata: JsonValue) -> list[FieldProblem]:
    if not isinstance(metadata, dict):
        return [FieldProblem(("metadata", "name"), "required, and missing")] if metadata is None else []
    found = [
        FieldProblem(("metadata", key), f"unknown field{nearest(key, sorted(_METADATA_FIELDS))}")
        for key in metadata
        if key not in _METADATA_FIELDS
    ]
    name = metadata.get("name")
    if name is None:
        found.append(FieldProblem(("metadata", "name"), "required, and missing"))
    elif not isinstance(name, str) or not _SUBDOMAIN.fullmatch(name) or len(name) > _MAX_NAME:
        message = f"{name!r}: use small letters, digits, '-' and '.', at most {_MAX_NAME}"
        found.append(FieldProblem(("metadata", "name"), message))
    namespace = metadata.get("namespace")
    if namespace is not None and (not isinstance(namespace, str) or not _DNS_LABEL.fullmatch(namespace)):
        message = f"{namespace!r}: use small letters, digits and '-', at most 63"
        found.append(FieldProblem(("metadata", "namespace"), message))
    found.extend(_label_problems(metadata.get("labels"), "labels"))
    found.extend(_label_problems(metadata.get("annotations"), "annotations"))
    return found


def _label_problems(labels: JsonValue, field: str) -> list[FieldProblem]:
    path: FieldPath = ("metadata", field)
    if labels is None:
        return []
    if not isinstance(labels, dict):
        return [FieldProblem(path, "must be a mapping")]
    found: list[FieldProblem] = []
    for key, value in labels.items():
        prefix, _, name = key.rpartition("/")
        if not name or not _LABEL.fullmatch(name) or (prefix and not _SUBDOMAIN.fullmatch(prefix)) or key[0] == "/":
            found.append(
                FieldProblem((*path, key), "is no key: at most 63 letters, digits, '-', '_', '.', after a prefix")
            )
        if not isinstance(value, str):
            found.append(FieldProblem((*path, key), "must be a string: put it in quotes"))
        elif field == "labels" and not _LABEL.fullmatch(value):
            found.append(FieldProblem((*path, key), f"{value!r}: at most 63 letters, digits, '-', '_' and '.'"))
    return found
