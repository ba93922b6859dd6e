"""What to write to a policy log. Revisions and epochs only grow; nothing to say, nothing written.

Four rules keep an edit from giving an agent fewer rules than its author meant:

* A policy whose new spec is refused keeps its last good record, selector included.
* A policy that never had a good record and would bind an agent withholds that agent's new binding: its last one stays
  (or none, and then its gate judges nothing). A binding never leaves out a policy silently.
* A policy whose rules do not check for one of an agent's decision types denies that type: the binding names it there.
* While an agent's binding is withheld, or cannot name a policy which selects the agent, or only as it was before an
  edit, the policies that its last one names stay, also when they are deleted: a rename with a slip in the new policy,
  an edit that waits (rules of two policies in one) or new labels that do must not drop the old one before the new one
  is there.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import NamedTuple

from streamwarden_contract.models.policy import AgentSelector
from streamwarden_contract.policylog import (
    BY_NAME,
    EPOCH_KEY,
    INDEX_KEY,
    BindingRecord,
    BoundPolicyRef,
    IndexRecord,
    PolicyRecord,
    PolicyVersion,
    Record,
    SchemaRecord,
    close_epoch,
    format_needed,
    spec_digest,
    with_format,
)

from streamwarden_operator.desired.policy_log import DesiredBinding, DesiredLog
from streamwarden_operator.plans.log_plan import LogPlan
from streamwarden_operator.plans.log_state import LogState
from streamwarden_operator.plans.policy_rules import not_applicable


def plan_log(namespace: str, desired: DesiredLog, state: LogState, *, by_name: bool = False) -> LogPlan:
    """Compare the desired log with the verified one.

    Args:
        namespace: of the log.
        desired: what it should hold.
        state: what it holds.
        by_name: whether bindings are to name their policies, and an index says what those are: all gates read that.
    """
    draft = _Draft(namespace, state.epoch + 1, state.revision_counter, by_name=by_name)
    state = _written_anew(draft, state) if state.behind else state
    policies = _plan_policies(draft, desired, state)
    withheld = _withheld(desired, state, policies)
    lacking = _lacking(desired, state, policies)
    bindings = _plan_bindings(draft, desired, state, policies, withheld, lacking)
    keeping = bindings.keys() & {*withheld, *lacking}
    kept = {name for agent in keeping for name in bindings[agent].policy_names}
    policies = {name: record for name, record in policies.items() if desired.has_policy(name) or name in kept}
    schemas = _plan_schemas(draft, desired, state, bindings)
    index = _plan_index(draft, state, policies, bindings) if by_name else None
    wanted = {record.key.encode() for part in (policies, bindings, schemas) for record in part.values()}
    present = {
        record.key.encode() for part in (state.policies, state.bindings, state.schemas) for record in part.values()
    }
    wanted |= {INDEX_KEY.encode()} if index is not None else set()
    present |= {INDEX_KEY.encode()} if state.index is not None else set()
    present |= set(state.refused)
    tombstones = tuple(sorted(present - wanted - {EPOCH_KEY.encode()}))
    if not draft.records and not tombstones and state.closed:
        return LogPlan(withheld=withheld)
    closing = close_epoch(draft.epoch, draft.counter, index)
    last = {record.key: record for record in draft.records if record.key.encode() in wanted}
    return LogPlan(records=(*last.values(), closing), tombstones=tombstones, withheld=withheld)


class _Nameable(NamedTuple):
    """A policy, as bindings name it."""

    ref: BoundPolicyRef
    selector: AgentSelector | None
    """None: it is deleted, and stays for who has it."""


besides_policies = attrgetter(*sorted(BindingRecord.model_fields.keys() - {"format", "epoch", "revision", "policies"}))
"""What a binding says beside its policies, which an edit changes of all of them."""


@dataclass(slots=True)
class _Draft:
    """The transaction being planned."""

    namespace: str
    epoch: int
    counter: int
    by_name: bool
    records: list[Record] = field(default_factory=list)

    def next_revision(self) -> int:
        self.counter += 1
        return self.counter


def _written_anew(draft: _Draft, state: LogState) -> LogState:
    """Return a log that was restored as it will be: what gates have seen under its revisions is something later."""
    policies = {
        name: record.model_copy(update={"epoch": draft.epoch, "revision": draft.next_revision()})
        for name, record in sorted(state.policies.items())
    }
    schemas = {
        sha256: record.model_copy(update={"epoch": draft.epoch}) for sha256, record in sorted(state.schemas.items())
    }
    draft.records += [*policies.values(), *schemas.values()]
    return replace(state, policies=policies, schemas=schemas)


def _plan_policies(draft: _Draft, desired: DesiredLog, state: LogState) -> dict[str, PolicyRecord]:
    """Return every policy record, old and new, those of deleted policies included."""
    policies = dict(state.policies)
    for name, spec in sorted(desired.valid.items()):
        digest = spec_digest(spec)
        known = policies.get(name)
        if known is None or known.digest != digest:
            record = PolicyRecord(
                epoch=draft.epoch,
                namespace=draft.namespace,
                name=name,
                revision=draft.next_revision(),
                digest=digest,
                spec=spec,
            )
            record = with_format(record)
            policies[name] = record
            draft.records.append(record)
    named = {name for binding in state.bindings.values() for name in binding.policy_names}
    for name in sorted(state.lost.keys() & {*desired.invalid, *named} - policies.keys()):
        again = {"epoch": draft.epoch, "revision": draft.next_revision()}
        policies[name] = state.lost[name].model_copy(update=again)
        draft.records.append(policies[name])
    return policies


def _plan_index(
    draft: _Draft, state: LogState, policies: Mapping[str, PolicyRecord], bindings: Mapping[str, BindingRecord]
) -> IndexRecord:
    """Return the index of all that, and of policies that bindings name: the one that is there, if it says the same.

    What is named and was taken away is in it as it was last: without it nobody can tell that something is missing.
    """
    named: dict[str, BoundPolicyRef | PolicyRecord] = {
        ref.name: ref for binding in bindings.values() for ref in binding.policies
    }
    versions = {
        name: PolicyVersion.model_construct(revision=record.revision, digest=record.digest)
        for name, record in sorted((named | dict(policies)).items())
    }
    revisions = {agent: record.revision for agent, record in sorted(bindings.items())}
    if state.index is not None and (state.index.policies, state.index.bindings) == (versions, revisions):
        return state.index
    number = draft.next_revision()
    index = IndexRecord(epoch=draft.epoch, revision=number, policies=versions, bindings=revisions)
    draft.records.append(index)
    return index


def _withheld(desired: DesiredLog, state: LogState, policies: Mapping[str, PolicyRecord]) -> dict[str, tuple[str, ...]]:
    """Find the agents that a policy without a good record would bind, or has bound: its record was taken away."""
    broken = {name: spec for name, spec in desired.invalid.items() if name not in policies}
    labels = {agent: dict(binding.labels) for agent, binding in desired.bindings.items()} | {
        agent: record.labels for agent, record in state.bindings.items() if agent in desired.unready
    }
    bound = {agent: broken.keys() & record.policy_names for agent, record in state.bindings.items()} if broken else {}
    found = {
        agent: tuple(
            sorted(
                name
                for name, spec in broken.items()
                if name in bound.get(agent, ()) or spec.match.agent_selector.selects(own)
            )
        )
        for agent, own in labels.items()
    }
    return {agent: names for agent, names in found.items() if names}


def _lacking(
    desired: DesiredLog, state: LogState, policies: Mapping[str, PolicyRecord]
) -> Mapping[str, AbstractSet[str]]:
    """Find the agents that come under a policy which no binding of theirs can name yet: they are to lose none for it.

    Nor for an edit that is not there yet of one that it names: it may have taken over what a deleted one demanded.

    Returns:
        By agent: what is on the log already, selects it as it is bound, and is too new for its gates. So it is with a
        policy that was deleted, stayed for another agent, and is made again; one that is written now waits itself.
    """
    written = {name: record for name, record in policies.items() if desired.has_policy(name)}
    living = {**{name: record.spec for name, record in written.items()}, **desired.invalid}
    edited = {name for name in desired.invalid.keys() & written if spec_digest(living[name]) != written[name].digest}
    newer = {name for name, each in written.items() if each is state.policies.get(name) and format_needed(each) > 1}
    found: dict[str, AbstractSet[str]] = {}
    for agent in state.bindings.keys() & {*desired.unready, *desired.bindings}:
        binding = state.bindings[agent]
        next_labels = dict(desired.bindings[agent].labels if agent in desired.bindings else binding.labels)
        labels = dict(desired.labels.get(agent, next_labels))
        is_behind = any(living[name].match.agent_selector.selects(labels) for name in edited)
        if labels == next_labels and agent not in desired.older and not is_behind:
            continue
        bound = {name for name, record in written.items() if record.spec.match.agent_selector.selects(next_labels)}
        too_new = bound & newer - binding.policy_names if agent in desired.older else frozenset()
        wanted = {name for name, spec in living.items() if spec.match.agent_selector.selects(labels)}
        if is_behind or too_new or wanted - bound:
            found[agent] = too_new
    return found


def _plan_bindings(
    draft: _Draft,
    desired: DesiredLog,
    state: LogState,
    policies: Mapping[str, PolicyRecord],
    withheld: Collection[str],
    lacking: Mapping[str, AbstractSet[str]],
) -> dict[str, BindingRecord]:
    """Return every agent's binding.

    Args:
        draft: the transaction.
        desired: what the log should hold.
        state: what it holds.
        policies: every record as it will be, and those of deleted policies.
        withheld: agents that get no new binding.
        lacking: by agent that is without a policy which it should have: those that it is not to be bound to yet. It
            keeps all that its last binding names, as those who are withheld do.
    """
    drafts: dict[str, BindingRecord] = {}
    nameable = _nameable(desired, policies)
    for agent in sorted({*desired.bindings, *desired.unready}):
        known, wanted = state.bindings.get(agent), desired.bindings.get(agent)
        named = known.policy_names if known is not None and agent in {*withheld, *lacking} else frozenset()
        too_new = lacking.get(agent, frozenset())
        gone = [ref for ref in known.policies if ref.name in named - policies.keys()] if known is not None else []
        if wanted is not None and agent not in withheld:
            refs = _with(gone, _refs(nameable, wanted.labels, named, too_new))
            drafts[agent] = _binding(wanted, refs, known, by_name=draft.by_name)
        elif known is not None:
            refs = _with(gone, _refs(nameable, known.labels, named, too_new))
            drafts[agent] = known.model_copy(update={"policies": refs})
    texts = {sha256: text for binding in desired.bindings.values() for sha256, text in binding.schemas.items()}
    apart = not_applicable(drafts, policies, texts, state)
    return {agent: _numbered(draft, _apart(record, apart.get(agent, {})), state) for agent, record in drafts.items()}


def _apart(record: BindingRecord, not_applicable: Mapping[str, tuple[str, ...]]) -> BindingRecord:
    """Return the binding with this: itself, where it says so already."""
    if record.not_applicable == not_applicable:
        return record
    return record.model_copy(update={"not_applicable": not_applicable})


def _numbered(draft: _Draft, record: BindingRecord, state: LogState) -> BindingRecord:
    """Return the binding as it will be on the log: a new revision where it says something new."""
    known = state.bindings.get(record.agent)
    stays = known is not None and not state.behind and (known.format == BY_NAME) == draft.by_name
    if known is not None and stays and (record is known or _says_the_same(record, known)):
        return known
    wanted = BY_NAME if draft.by_name else format_needed(record)
    written = {"format": wanted, "epoch": draft.epoch, "revision": draft.next_revision()}
    record = record.model_copy(update=written)
    draft.records.append(record)
    return record


def _nameable(desired: DesiredLog, policies: Mapping[str, PolicyRecord]) -> list[_Nameable]:
    """Return what bindings may name, by name: put together once for all agents."""
    return [
        _Nameable(
            BoundPolicyRef(namespace=record.namespace, name=name, revision=record.revision, digest=record.digest),
            record.spec.match.agent_selector if desired.has_policy(name) else None,
        )
        for name, record in sorted(policies.items())
    ]


def _refs(
    nameable: Iterable[_Nameable], labels: Mapping[str, str], named: AbstractSet[str], too_new: AbstractSet[str]
) -> tuple[BoundPolicyRef, ...]:
    """Return the living policies that select these labels, and those that are named, at their revisions now."""
    return tuple(
        ref
        for ref, selector in nameable
        if ref.name not in too_new and (ref.name in named or (selector is not None and selector.selects(labels)))
    )


def _with(gone: Sequence[BoundPolicyRef], refs: tuple[BoundPolicyRef, ...]) -> tuple[BoundPolicyRef, ...]:
    """Return what is named together with what is named too and was taken away: gates then refuse what they lack."""
    return tuple(sorted([*gone, *refs], key=attrgetter("name"))) if gone else refs


def _binding(
    wanted: DesiredBinding, refs: tuple[BoundPolicyRef, ...], known: BindingRecord | None, *, by_name: bool
) -> BindingRecord:
    """Return an agent's binding; where no more than its policies differ, by the one on the log: an edit is of all."""
    if known is not None and wanted.describes(known):
        is_written_so = (known.format == BY_NAME) == by_name
        return known if is_written_so and _name_the_same(refs, known) else known.model_copy(update={"policies": refs})
    return BindingRecord(
        epoch=1,
        revision=1,
        namespace=wanted.namespace,
        agent=wanted.agent,
        agent_uid=wanted.agent_uid,
        labels=dict(wanted.labels),
        policies=refs,
        decisions=dict(wanted.decisions),
        inputs=wanted.inputs,
        decision_topic=wanted.decision_topic,
        audit_topic=wanted.audit_topic,
        audit_topic_id=wanted.audit_topic_id,
        dead_letter_topic=wanted.dead_letter_topic,
        skips=wanted.skips,
    )


def _name_the_same(refs: tuple[BoundPolicyRef, ...], known: BindingRecord) -> bool:
    """Tell whether a binding is written as it is with these policies: with an index it only names them.

    Then what is known here has others than ``refs`` until the plan is written: ``after`` puts them in.
    """
    if known.format == BY_NAME:
        return [ref.name for ref in refs] == [ref.name for ref in known.policies]
    return refs == known.policies


def _says_the_same(record: BindingRecord, known: BindingRecord) -> bool:
    """Tell whether they differ at most in how and when they are written."""
    return _name_the_same(record.policies, known) and bool(besides_policies(record) == besides_policies(known))


def _plan_schemas(
    draft: _Draft, desired: DesiredLog, state: LogState, bindings: Mapping[str, BindingRecord]
) -> dict[str, SchemaRecord]:
    """Return the schemas that the bindings name. One that is nowhere to be had is left out: the gate fails closed."""
    texts = {sha256: text for binding in desired.bindings.values() for sha256, text in binding.schemas.items()}
    named = {target.schema_sha256 for record in bindings.values() for target in record.decisions.values()}
    schemas: dict[str, SchemaRecord] = {}
    for sha256 in sorted(name for name in named if name is not None):
        if sha256 in state.schemas:
            schemas[sha256] = state.schemas[sha256]
        elif sha256 in texts:
            schemas[sha256] = SchemaRecord(epoch=draft.epoch, sha256=sha256, definition=texts[sha256])
            draft.records.append(schemas[sha256])
    return schemas
