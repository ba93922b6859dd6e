"""One transaction of a policy log: what is signed anew with it, how all is signed, and what the log is after it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from streamwarden_contract.policylog import (
    BY_NAME,
    EPOCH_KEY,
    BindingRecord,
    BoundPolicyRef,
    EpochRecord,
    IndexRecord,
    NamedBindingRecord,
    PolicyRecord,
    Record,
    SchemaRecord,
    Signer,
    close_epoch,
)

from streamwarden_operator.plans.log_state import LogState, signed_by_others
from streamwarden_operator.plans.signed_records import key_id_of, sign_record
from streamwarden_operator.ports import SignedRecord


@dataclass(frozen=True, slots=True)
class LogPlan:
    """One transaction. Falsy when there is nothing to write."""

    records: tuple[Record, ...] = ()
    """In the order to write them; the epoch record is the last."""
    tombstones: tuple[bytes, ...] = ()
    """Keys to remove, before the epoch record."""
    withheld: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By agent: the policies without a good record that keep it from a new binding."""

    def __bool__(self) -> bool:
        return bool(self.records)


def with_signed_anew(plan: LogPlan, state: LogState, key_id: str) -> LogPlan:
    """Add to a plan what another key has signed, byte for byte: after it the whole log is signed by one.

    Args:
        plan: what there is to write.
        state: the log as verified.
        key_id: of the key that signs.
    """
    written = {record.key for record in plan.records} | {key.decode(errors="replace") for key in plan.tombstones}
    again = tuple(record for record in signed_by_others(state, key_id) if record.key not in written)
    closing = state.verified.get(EPOCH_KEY.encode())
    is_closed_by_another = closing is not None and key_id_of(closing[0]) != key_id
    if not again and not is_closed_by_another:
        return plan
    end = plan.records[-1:] or (close_epoch(state.epoch + 1, state.revision_counter, state.index),)
    return replace(plan, records=(*again, *plan.records[:-1], *end))


def sign_plan(plan: LogPlan, *, topic: str, cluster_id: str, signer: Signer) -> tuple[SignedRecord, ...]:
    """Encode and sign a plan: records, then tombstones, then the epoch record, which activates them all."""
    signed = [sign_record(record, topic=topic, cluster_id=cluster_id, signer=signer) for record in plan.records]
    return (*signed[:-1], *(SignedRecord(key, None) for key in plan.tombstones), *signed[-1:])


def after(state: LogState, plan: LogPlan, signed: Iterable[SignedRecord] = ()) -> LogState:
    """Return the log's state once the plan is written.

    Args:
        state: what it was before.
        plan: what is written.
        signed: as what: what reads back as we have signed it need not be verified.
    """
    if not plan:
        return state
    now = written(state, plan)
    contents = {record.key.encode(): _as_read(record) for record in plan.records}
    verified = dict(state.verified) | {each.key: (each, contents[each.key]) for each in signed if each.key in contents}
    gone, bindings = set(plan.tombstones), now.bindings
    if now.index is not None and now.index is not state.index:
        refs = _Refs(now.index)
        bindings = {agent: refs.renewed(record) for agent, record in bindings.items()}
    return replace(now, bindings=bindings, verified={key: each for key, each in verified.items() if key not in gone})


def written(state: LogState, plan: LogPlan) -> LogState:
    """Return the log's state once the plan is written, for who asks what is bound to what, and not at which revision.

    Bindings that only name their policies have them as they were: to renew them goes over all agents.

    Args:
        state: what it was before.
        plan: what is written.
    """
    policies, schemas, bindings = dict(state.policies), dict(state.schemas), dict(state.bindings)
    epoch, counter, index = state.epoch, state.revision_counter, state.index
    for record in plan.records:
        match record:
            case PolicyRecord():
                policies[record.name] = record
            case IndexRecord():
                index = record
            case SchemaRecord():
                schemas[record.sha256] = record
            case BindingRecord():
                bindings[record.agent] = record
            case EpochRecord():
                epoch, counter = record.epoch, record.revision_counter
            case NamedBindingRecord():
                pass  # signed anew, and nothing else
    gone = set(plan.tombstones)
    return LogState(
        epoch=epoch,
        revision_counter=counter,
        closed=True,
        policies={name: record for name, record in policies.items() if record.key.encode() not in gone},
        schemas={name: record for name, record in schemas.items() if record.key.encode() not in gone},
        bindings={name: record for name, record in bindings.items() if record.key.encode() not in gone},
        index=index if index is not None and index.key.encode() not in gone else None,
    )


def _as_read(record: Record) -> Record:
    """Return a record as whoever reads it has it."""
    return record.as_written if isinstance(record, BindingRecord) else record


class _Refs:
    """Puts what an index says into bindings: most agents have the same policies, and share what names them."""

    def __init__(self, index: IndexRecord) -> None:
        self._refs: dict[tuple[BoundPolicyRef, ...], tuple[BoundPolicyRef, ...]] = {}
        self._versions = index.policies

    def renewed(self, record: BindingRecord) -> BindingRecord:
        """Return the binding with its policies as they are now; one that says itself what they are, as it is."""
        if record.format != BY_NAME:
            return record
        if record.policies not in self._refs:
            found = [(ref, self._versions[ref.name]) for ref in record.policies if ref.name in self._versions]
            self._refs[record.policies] = tuple(
                ref.model_copy(update={"revision": now.revision, "digest": now.digest}) for ref, now in found
            )
        refs = self._refs[record.policies]
        return record if refs == record.policies else record.model_copy(update={"policies": refs})
