"""Policy: which decisions are allowed."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema

from streamwarden_contract import canonical
from streamwarden_contract.models.base import (
    HELD_CONDITIONS,
    READY_COLUMNS,
    Kind,
    Metadata,
    PrinterColumn,
    Resource,
    Status,
)
from streamwarden_contract.models.fields import (
    CelExpression,
    DecisionType,
    DnsLabel,
    LabelKey,
    LabelValue,
    ResourceName,
)
from streamwarden_contract.models.pod_rules import ConfigMapName, DataKey
from streamwarden_contract.verdicts import Effect

MAX_PARAMS = 256
"""So many names ``params`` has at most, wherever it comes from; those of its objects are not counted."""

MAX_PARAMS_DEPTH = canonical.MAX_DEPTH - 2
"""They stand in a spec, and that in a record."""
_EXACT = 2**53
"""Up to here a double holds every integer."""


def _is_none(value: object) -> bool:
    return value is None


class AgentSelector(Resource):
    """Selects agents of the policy's namespace by label; an empty one selects all of them."""

    match_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)] = {}
    """Labels that the AgentDeployment must have, all of them."""

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Tell whether an agent with these labels is selected."""
        return all(labels.get(key) == value for key, value in self.match_labels.items())


class Match(Resource):
    """Which decisions a policy covers."""

    agent_selector: AgentSelector = AgentSelector()
    """Agents of the same namespace; all of them where left out."""
    decisions: Annotated[tuple[DecisionType, ...], Field(max_length=64)] = ()
    """Decision types; all of them where left out."""


class Rule(Resource):
    """What must hold for a decision."""

    name: DnsLabel
    """Name of the rule, unique in its policy; audit records and figures carry it."""
    require: CelExpression
    """CEL that must be true, over ``decision``, ``agent``, ``params``, ``now``. An error or another value denies."""
    otherwise: Literal[Effect.DENY] = Effect.DENY
    """What follows where it is false."""
    message: Annotated[str, Field(max_length=512)] = ""
    """A sentence for people who ask why."""


def _not_too_deep(params: object) -> object:
    """Refuse deep nesting without recursion, before anything else looks inside: an API server takes 10,000 levels."""
    level, depth = [params], 0
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        if depth > MAX_PARAMS_DEPTH:
            raise ValueError(f"nested deeper than {MAX_PARAMS_DEPTH}")
        level = [item for each in level for item in (each.values() if isinstance(each, dict) else each)]
    return params


def _as_stored(value: JsonValue) -> JsonValue:
    """Return data as an API server gives it back, which writes 2.0 as 2: the same wherever a policy comes from."""
    match value:
        case float() if value.is_integer() and abs(value) <= _EXACT:
            return int(value)
        case dict():
            return {name: _as_stored(item) for name, item in value.items()}
        case list():
            return [_as_stored(item) for item in value]
        case _:
            return value


def _all_as_stored(params: dict[str, JsonValue]) -> dict[str, JsonValue]:
    return {name: _as_stored(value) for name, value in params.items()}


Params = Annotated[
    dict[str, JsonValue],
    Field(max_length=MAX_PARAMS),
    BeforeValidator(_not_too_deep),
    AfterValidator(_all_as_stored),
    WithJsonSchema({"type": "object", "maxProperties": MAX_PARAMS, "x-kubernetes-preserve-unknown-fields": True}),
]
"""Plain data that rules read as ``params``."""


class ConfigMapKey(Resource):
    """One key of a ConfigMap of the policy's namespace."""

    name: ConfigMapName
    """Name of the ConfigMap, which has the label ``app.kubernetes.io/part-of: streamwarden``."""
    key: DataKey
    """Key in it."""


class ParamsSource(Resource):
    """Where data beside the rules is."""

    config_map_key_ref: ConfigMapKey
    """A key of a ConfigMap: one mapping in JSON, or in YAML of at most 16 KiB."""


class PolicySpec(Resource):
    """What the policy demands."""

    list_map_keys: ClassVar[dict[str, tuple[str, ...]]] = {"rules": ("name",)}
    cel_rules: ClassVar[tuple[tuple[str, str], ...]] = (
        ("!has(self.paramsFrom) || !has(self.params)", "give params or paramsFrom, not both"),
    )

    match: Match = Match()
    """Which agents and decision types it covers."""
    failure_action: Literal["Enforce", "Audit"] = "Enforce"
    """``Enforce``: a rule that does not hold decides. ``Audit``: it is only written down."""
    rules: Annotated[tuple[Rule, ...], Field(max_length=64)] = ()
    """All must hold. An Enforce policy without rules allows everything that it covers."""
    params: Annotated[Params | None, Field(exclude_if=_is_none)] = None
    """Data beside the rules, which they read as ``params``: at most 64 KiB. Signed and versioned with the policy. A
    whole number is an int, also where it is written 2.0."""
    params_from: Annotated[ParamsSource | None, Field(exclude_if=_is_none)] = None
    """Where the data is, in place of ``params``. What it holds is published; a change of it is a new revision."""


class GateRejection(Resource):
    """A gate that refuses the current set."""

    gate: Annotated[str, Field(max_length=253)]
    """Agent and pod."""
    message: Annotated[str, Field(max_length=1024)]
    """Why."""


class Rollout(Resource):
    """How far a revision has come."""

    gates: Annotated[int, Field(ge=0)] = 0
    """Gates bound by this policy that are running."""
    updated: Annotated[int, Field(ge=0)] = 0
    """Of them, those that have this revision in force."""
    rejected: Annotated[tuple[GateRejection, ...], Field(max_length=8)] = ()
    """Of them, some that refuse it."""
    converged_after: Annotated[str, Field(max_length=32)] = ""
    """Time from publication until the last gate had it in force, as in ``140ms``."""


class FailingRule(Resource):
    """A rule of the revision that cannot be evaluated for some decisions."""

    name: DnsLabel
    """Its name."""
    at_least: Annotated[int, Field(ge=1)]
    """Decisions, as gates have counted them when they last spoke of it: powers of ten, added up."""
    gates: Annotated[int, Field(ge=1)]
    """So many gates met it."""
    message: Annotated[str, Field(max_length=512)] = ""
    """The engine's words at one of the first."""


class PolicyStatus(Status):
    """Where the policy stands. Conditions: Accepted, Published, RolledOut, RulesFailing, Ready."""

    revision: Annotated[int, Field(ge=0)] = 0
    """Revision on the policy log; it only grows, also when a policy is deleted and made again."""
    digest: Annotated[str, Field(max_length=64)] = ""
    """SHA-256 of the spec in canonical JSON, as published: with the data that it refers to."""
    rollout: Rollout = Rollout()
    """How far this revision has come."""
    failing_rules: Annotated[tuple[FailingRule, ...], Field(max_length=64)] = ()
    """Rules of this revision that fail for some decisions, the worst first. One is taken out an hour
    after its last error, as the gate says that met it; time in which no gate judges by the revision does not count."""


class Policy(Kind):
    """Which decisions of which agents are allowed, as rules in CEL that must hold."""

    plural: ClassVar[str] = "policies"
    short_name: ClassVar[str] = "swpol"
    columns: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Action", json_path=".spec.failureAction"),
        PrinterColumn(name="Revision", json_path=".status.revision", type="integer"),
        PrinterColumn(name="Gates", json_path=".status.rollout.gates", type="integer"),
        PrinterColumn(name="Updated", json_path=".status.rollout.updated", type="integer"),
        *READY_COLUMNS,
    )
    conditions: ClassVar[dict[str, str]] = {
        "Accepted": "Every rule compiles. While False, gates keep the last good revision.",
        "Published": "This revision is on the signed policy log.",
        "RolledOut": "Every running gate that the policy binds has this revision in force.",
        "Ready": "Accepted, published and rolled out.",
        "RulesFailing": "Rules of the revision in force cannot be evaluated for some decisions, which denies them; the "
        "message has the engine's words. It stays for this revision until the last error is an hour of judging "
        "ago. Not there otherwise.",
        **HELD_CONDITIONS,
    }

    metadata: Metadata
    spec: PolicySpec
    """What the policy demands."""
    status: PolicyStatus = PolicyStatus()
    """Where it stands; written by the operator."""


class PolicyRef(Resource):
    """A policy at a revision."""

    namespace: DnsLabel
    """Namespace of the policy."""
    name: ResourceName
    """Name of the policy."""
    revision: Annotated[int, Field(ge=1)]
    """Its revision."""
