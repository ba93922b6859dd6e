"""A policy log as verified. A signature alone is not enough: what is older than what was verified is a replay."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from streamwarden_contract.errors import PolicyLogError
from streamwarden_contract.policylog import (
    EPOCH_KEY,
    INDEX_KEY,
    BindingRecord,
    EpochRecord,
    IndexRecord,
    NamedBindingRecord,
    PolicyRecord,
    Record,
    SchemaRecord,
    Verifier,
    decode_record,
)

from streamwarden_operator.plans.signed_records import key_id_of, signature_of
from streamwarden_operator.ports import SignedRecord

_NUMBERED = PolicyRecord | BindingRecord | NamedBindingRecord | IndexRecord
_Verified = dict[bytes, tuple[SignedRecord, Record]]
"""By key: a record as it was read, and what it says."""

HIGHEST_CLAIM = 2**53 - 1
"""No epoch or counter that somebody says without a proof is believed beyond this, the last whole number that every
reader of JSON tells from the one above it: there must be higher ones."""


@dataclass(frozen=True)
class LogState:
    """A policy log as verified: only records that carry a valid signature of ours."""

    epoch: int = 0
    """The highest epoch seen; 0 for a new log."""
    revision_counter: int = 0
    """The highest revision ever given; 0 for a new log."""
    closed: bool = False
    """Whether an epoch record of ours closes everything that is there."""
    behind: bool = False
    """Whether gates have seen more than the log holds: they refuse its revisions, so all of it gets new ones."""
    policies: Mapping[str, PolicyRecord] = field(default_factory=dict)
    """By policy name."""
    schemas: Mapping[str, SchemaRecord] = field(default_factory=dict)
    """By SHA-256."""
    bindings: Mapping[str, BindingRecord] = field(default_factory=dict)
    """By agent; each with its policies as they are on the log, however it is written."""
    index: IndexRecord | None = None
    """None where bindings say themselves at which revision their policies are."""
    refused: Mapping[bytes, str] = field(default_factory=dict)
    """Keys of records that are refused, and why: they count as absent and are written over."""
    lost: Mapping[str, PolicyRecord] = field(default_factory=dict, compare=False)
    """By name: policies that were there before, which somebody else took away or wrote over."""
    verified: Mapping[bytes, tuple[SignedRecord, Record]] = field(default_factory=dict, compare=False, repr=False)
    """What was read and verified, by key: it need not be verified again."""

    @cached_property
    def bound(self) -> Mapping[tuple[str, str], Mapping[str, str]]:
        """By namespace and name of a policy: the agents whose binding names it, uid by name.

        Found once: each policy is asked for by its own reconcile, and each binding names many.
        """
        found: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for record in self.bindings.values():
            for ref in record.policies:
                found[ref.namespace, ref.name][record.agent] = record.agent_uid
        return dict(found)

    @cached_property
    def judging(self) -> frozenset[tuple[str, str, str]]:
        """Agent, name and digest of every policy that a binding names."""
        return frozenset(
            (agent, ref.name, ref.digest) for agent, each in self.bindings.items() for ref in each.policies
        )


def believed(epoch: int) -> int:
    """Return an epoch that somebody says without a proof; 0 where nobody believes it."""
    return epoch if epoch <= HIGHEST_CLAIM else 0


def go_on_above(state: LogState, seen: Iterable[EpochRecord], *, epoch: int = 0) -> LogState:
    """Return the state as it is for a publisher, who must not fall behind what gates have proven to have in force.

    Where they have seen more than the log holds, it was lost or restored from an older copy: whatever continued below
    would be refused by them (``RolledBack``).

    Args:
        state: the log as verified.
        seen: what gates have proven to have seen.
        epoch: the highest one beside the offsets that gates have committed: these stay where no gate runs any more.
    """
    records = list(seen)
    newest = max([*(record.epoch for record in records), believed(epoch)])
    if newest <= state.epoch:
        return state
    counter = max([state.revision_counter, *(record.revision_counter for record in records)])
    return replace(state, epoch=newest, revision_counter=counter, closed=False, behind=True)


def abandoned_epochs(records: Mapping[bytes, SignedRecord], abandoned: Collection[str]) -> list[EpochRecord]:
    """Return the epoch record of a log that a lost key has signed: nobody can verify it, and its number is used up.

    Args:
        records: the last record of every key.
        abandoned: ids of the lost keys without which people have begun anew.
    """
    record = records.get(EPOCH_KEY.encode())
    if record is None or key_id_of(record) not in abandoned:
        return []
    return claimed_epochs(record.value)


def claimed_epochs(value: bytes | None) -> list[EpochRecord]:
    """Read an epoch record that nobody can verify; none where it is none, or so high that no epochs would be left."""
    try:
        found = decode_record(EPOCH_KEY.encode(), value or b"")
    except PolicyLogError:
        return []
    is_sane = isinstance(found, EpochRecord) and max(found.epoch, found.revision_counter) <= HIGHEST_CLAIM
    return [found] if isinstance(found, EpochRecord) and is_sane else []


def signed_by_others(state: LogState, key_id: str) -> tuple[Record, ...]:
    """Return what another key than this one has signed, but for the epoch record: it is to be signed anew."""
    return tuple(
        content
        for record, content in state.verified.values()
        if key_id_of(record) != key_id and not isinstance(content, EpochRecord)
    )


def verify_log(
    records: Mapping[bytes, SignedRecord],
    *,
    topic: str,
    cluster_id: str,
    verifier: Verifier,
    known: LogState | None = None,
) -> LogState:
    """Read a log's records, and take only those with a valid signature.

    Args:
        records: the last record of every key.
        topic: the policy topic.
        cluster_id: Kafka's.
        verifier: knows the keys that are valid now.
        known: what was verified before. What has not changed since is not verified again; what is older than it was
            written again by somebody who kept it, and is refused; epoch and counter never fall behind it.
    """
    known = known or LogState()
    verified: _Verified = {}
    refused: dict[bytes, str] = {}
    for key, record in sorted(records.items()):
        seen = known.verified.get(key)
        try:
            content = seen[1] if seen and seen[0] == record else _verified(key, record, topic, cluster_id, verifier)
            _check_not_older(content, known)
            verified[key] = (record, content)
        except PolicyLogError as error:
            refused[key] = str(error)
    signed = [record for _, record in verified.values()]  # what is refused below has used up its numbers all the same
    closing = next((record for record in signed if isinstance(record, EpochRecord)), None)
    index = _index(verified, refused, closing)
    counts = index or _remembered(known, closing)
    if counts is not None or _had_an_index(signed):
        _refuse_what_is_not_in(counts, verified, refused)
    bindings = _bindings(verified, refused, counts, known)
    found = [record for _, record in verified.values()]
    epoch = max((record.epoch for record in signed), default=0)
    revisions = [record.revision for record in signed if isinstance(record, _NUMBERED)]
    policies = {record.name: record for record in found if isinstance(record, PolicyRecord)}
    return LogState(
        epoch=max(epoch, known.epoch),
        revision_counter=max(*revisions, closing.revision_counter if closing else 0, known.revision_counter, 0),
        closed=closing is not None and closing.epoch == max(epoch, known.epoch),
        policies=policies,
        lost={name: each for name, each in {**known.lost, **known.policies}.items() if name not in policies},
        schemas={record.sha256: record for record in found if isinstance(record, SchemaRecord)},
        bindings=bindings,
        index=index,
        refused=refused,
        verified=verified,
    )


def _index(verified: _Verified, refused: dict[bytes, str], closing: EpochRecord | None) -> IndexRecord | None:
    """Return the log's index, if it is the one that its epoch closed: what we have signed once may be written again."""
    key = INDEX_KEY.encode()
    _, index = verified.get(key, (None, None))
    if not isinstance(index, IndexRecord):
        if key not in refused and closing is not None and closing.index_revision is not None:
            refused[key] = f"it was taken away, and the epoch closed one of revision {closing.index_revision}"
        return None
    if closing is not None and closing.index_revision != index.revision:
        refused[key] = f"of revision {index.revision}, and the epoch closed {closing.index_revision}"
        del verified[key]
        return None
    return index


def _remembered(known: LogState, closing: EpochRecord | None) -> IndexRecord | None:
    """Return the index that the epoch closed, where the log has it not any more: what bindings name stays known."""
    if known.index is None or closing is None:
        return None
    return known.index if closing.index_revision == known.index.revision else None


def _had_an_index(records: Iterable[Record]) -> bool:
    """Tell whether what is there was written beside an index: without it nobody knows which policies were the last."""
    return any(
        isinstance(record, NamedBindingRecord)
        or (isinstance(record, EpochRecord) and record.index_revision is not None)
        for record in records
    )


def _refuse_what_is_not_in(index: IndexRecord | None, verified: _Verified, refused: dict[bytes, str]) -> None:
    """Refuse policies that are not as the index has them: what was signed for an earlier one may be written again."""
    for key, (_, content) in list(verified.items()):
        if not isinstance(content, PolicyRecord):
            continue
        said = None if index is None else index.policies.get(content.name)
        if said is None or (said.revision, said.digest) != (content.revision, content.digest):
            says = f"says {said.revision if said else 'none'}" if index is not None else "is gone"
            refused[key] = f"of revision {content.revision}, and the index {says}"
            del verified[key]


def _bindings(
    verified: _Verified,
    refused: dict[bytes, str],
    index: IndexRecord | None,
    known: LogState,
) -> dict[str, BindingRecord]:
    """Return the bindings by agent; one that names what the index has not is refused."""
    found: dict[str, BindingRecord] = {}
    is_known = index is not None and index == known.index
    for key, (record, content) in list(verified.items()):
        if isinstance(content, BindingRecord):
            found[content.agent] = content
        elif isinstance(content, NamedBindingRecord):
            before, seen = known.bindings.get(content.agent), known.verified.get(key)
            if is_known and before is not None and seen is not None and seen[0] == record:
                found[content.agent] = before
                continue
            try:
                found[content.agent] = content.resolved(index)
            except PolicyLogError as error:
                refused[key] = str(error)
                del verified[key]
    return found


def _verified(key: bytes, record: SignedRecord, topic: str, cluster_id: str, verifier: Verifier) -> Record:
    signed = signature_of(record, topic=topic, cluster_id=cluster_id)
    if signed is None or record.value is None:
        raise PolicyLogError("not signed")
    if record.key != key or not verifier.verify(*signed):
        raise PolicyLogError("the signature is not ours")
    return decode_record(key, record.value)


def _check_not_older(record: Record, known: LogState) -> None:
    before: Record | None = None
    match record:
        case PolicyRecord():
            before = known.policies.get(record.name)
        case BindingRecord() | NamedBindingRecord():
            before = known.bindings.get(record.agent)
        case IndexRecord():
            before = known.index
        case EpochRecord() if record.epoch < known.epoch:
            raise PolicyLogError(f"of epoch {record.epoch}, and epoch {known.epoch} was there already")
    if before is not None and record.epoch < before.epoch:
        raise PolicyLogError(f"of epoch {record.epoch}, and one of epoch {before.epoch} was there already")
