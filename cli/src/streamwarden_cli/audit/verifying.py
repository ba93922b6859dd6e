"""One verification: what gates have committed, the audit topic, and the decisions where they are asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from streamwarden_contract.audit import ChainError, ChainHead, audit_key, parse_metadata
from streamwarden_contract.audit_chains import AuditTopic, Chain, ChainId
from streamwarden_contract.audit_coverage import Coverage
from streamwarden_contract.audit_faults import AuditFaultKind, Place
from streamwarden_contract.errors import NameNotAllowedError
from streamwarden_contract.names import AgentNames, NamespaceNames, check_agent_name
from streamwarden_contract.partitioner import partition_of

from streamwarden_cli.audit.reader import AuditReader
from streamwarden_cli.audit.report import ChainReport, Report, counted
from streamwarden_cli.audit.source import AbsentError, AuditReadError, Log
from streamwarden_cli.audit.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from streamwarden_kafka.connection import Connection

    from streamwarden_cli.audit.source import AuditSource, Committed, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be verified."""

    namespace: str
    agent: str = ""
    """Empty: all of them."""
    heads: bool = True
    """Compare with what gates have committed."""
    decisions: bool = False
    """Compare with the decision topics, up to what gates have committed."""


@dataclass(slots=True)
class AgentFacts:
    """What Kafka says of one agent, before its chains are read."""

    names: AgentNames
    topic_id: str = ""
    """Of the decision topic there is now; empty where there is none."""
    committed: Mapping[int, Committed] = field(default_factory=dict)
    unknown: str = ""
    """Why the rest is not known; empty where it is."""


class Verification:
    """Runs once."""

    def __init__(self, source: AuditSource, wanted: Wanted, progress: Callable[[int, int], None]) -> None:
        """Prepare.

        Args:
            source: of the principal who verifies.
            wanted: what to verify.
            progress: told how many records of how many offsets were read.
        """
        self._source = source
        self._wanted = wanted
        self._progress = progress
        self._read = 0
        self._offsets = 0
        self._agents: dict[str, AgentFacts] = {}
        self._report = Report(wanted.namespace)

    def run(self) -> Report:
        """Read, compare and return what was found.

        Raises:
            AuditReadError: the audit topic cannot be read; ``AbsentError``: there is none.
        """
        audit = NamespaceNames(self._wanted.namespace).audit
        self._ask(self._agents_to_ask())
        topic = AuditTopic(self._wanted.namespace, agent=self._wanted.agent, heads=self._heads())
        logs = self._audit_logs(audit)
        with Spool() as spool:
            complete = self._read_chains(audit, logs, topic, spool)
            # Of agents that are gone, or that one may not see, only the audit knows.
            self._ask(chain.id.agent for chain in topic.chains)
            self._report.faults = topic.faults
            self._report.chains = [self._finish(chain, logs, complete=complete) for chain in topic.chains]
            if self._wanted.decisions and complete:
                self._compare_decisions(spool)
        self._report.chains = [each for each in self._report.chains if each.has_something]
        if not self._report.chains and self._wanted.agent and not self._has_decisions(self._wanted.agent):
            self._report.not_checked.append(f"there is no agent {self._wanted.agent} here: it has no decision topic")
        return self._report

    def _audit_logs(self, audit: str) -> Sequence[Log]:
        try:
            return self._source.logs(audit)
        except AbsentError as error:
            known = ", ".join(sorted(_namespaces_of(self._source.topics()))) or "none"
            why = (
                f"there is no topic {audit}, which the operator makes with the first agent of a namespace. Is it this "
                f"Kafka, and the name right? Namespaces with an audit that this user may see: {known}"
            )
            raise AbsentError(why) from error

    def _has_decisions(self, agent: str) -> bool:
        """Tell whether an agent has a decision topic, as far as one may see."""
        try:
            self._source.partitions(AgentNames(self._wanted.namespace, agent).decisions)
        except AbsentError:
            return False
        except AuditReadError:
            pass  # it may be there
        return True

    def _agents_to_ask(self) -> Iterable[str]:
        if self._wanted.agent:
            return [self._wanted.agent]
        names = (_agent_of(self._wanted.namespace, topic) for topic in self._source.topics())
        return sorted(name for name in names if name)

    def _ask(self, agents: Iterable[str]) -> None:
        """Learn what Kafka says of these agents, where that is not known yet."""
        if not self._wanted.heads:
            return
        for agent in agents:
            if agent not in self._agents:
                self._agents[agent] = self._facts(AgentNames(self._wanted.namespace, agent))

    def _facts(self, names: AgentNames) -> AgentFacts:
        facts = AgentFacts(names)
        try:
            partitions = self._source.partitions(names.decisions)
            facts.topic_id = self._source.topic_id(names.decisions)
            facts.committed = self._source.committed(names.gate_group, names.decisions, partitions)
        except AbsentError:
            pass  # an agent that is gone: its audit stays
        except AuditReadError as error:
            facts.unknown = str(error)
            self._report.not_checked.append(f"what the gate of {names.agent} has committed ({error})")
        return facts

    def _heads(self) -> dict[ChainId, ChainHead]:
        found = {
            ChainId(agent, partition): _head(committed, facts.topic_id)
            for agent, facts in self._agents.items()
            for partition, committed in facts.committed.items()
        }
        return {chain: head for chain, head in found.items() if head is not None}

    def _read_chains(self, audit: str, logs: Sequence[Log], topic: AuditTopic, spool: Spool) -> bool:
        starts = {log.partition: log.low for log in logs}

        def take(records: Sequence[Record]) -> None:
            for partition, offset, key, value in records:
                judged = topic.take(Place(audit, partition, offset), key, value, log_start=starts[partition])
                if judged is not None and self._wanted.decisions:
                    spool.add(judged)

        return self._read_topic(audit, logs, take)

    def _read_topic(
        self, topic: str, logs: Sequence[Log], take: Callable[[Sequence[Record]], None], *, of_agents: bool = False
    ) -> bool:
        """Read a topic to its ends, and tell whether they were reached; what cannot be read is said."""
        self._offsets += sum(log.end - log.low for log in logs)
        try:
            for records in self._source.read(topic, logs, of_agents=of_agents):
                take(records)
                self._read += len(records)
                self._progress(self._read, self._offsets)
        except AuditReadError as error:
            self._report.not_checked.append(str(error))
            return False
        return True

    def _finish(self, chain: Chain, logs: Sequence[Log], *, complete: bool) -> ChainReport:
        """Compare a chain with what its gate has committed, and say what is to be said of it."""
        report = ChainReport(chain, notes=list(chain.remade))
        log = logs[partition_of(audit_key(*chain.id), len(logs))]
        if self._wanted.heads and complete:
            self._check_head(report, log)
        if chain.begins_at > 1 and log.low > 0:
            report.notes.append(f"older records are deleted: the topic begins at offset {log.low}")
        if chain.deleted:
            report.notes.append(f"deleted up to length {chain.deleted}: the topic begins at offset {log.low}")
        return report

    def _check_head(self, report: ChainReport, log: Log) -> None:
        chain, facts = report.chain, self._agents[report.chain.id.agent]
        if facts.unknown:
            return
        if not facts.topic_id or (chain.topic_id and chain.topic_id != facts.topic_id):
            gone = "has been made again since" if facts.topic_id else "is gone"
            report.notes.append(f"the decision topic {gone}: nothing is committed of this chain any more")
            return
        committed = facts.committed.get(chain.id.partition)
        if committed is None:
            said = f"{facts.names.gate_group} has committed nothing for partition {chain.id.partition}"
            self._report.not_checked.append(f"the end of the chain {chain.id.agent}/{chain.id.partition} ({said})")
            return
        place = Place(facts.names.decisions, chain.id.partition, committed.offset)
        head = _head(committed, facts.topic_id)
        if head is None:
            chain.faults.add(
                AuditFaultKind.UNREADABLE,
                place,
                "the committed metadata holds no head of this place",
            )
            return
        now = head if chain.length <= head.length else self._newer_head(facts, chain.id.partition)
        if now is not None:
            chain.finish(place, now, log_start=log.low)

    def _newer_head(self, facts: AgentFacts, partition: int) -> ChainHead | None:
        """Return what is committed now: the gate has gone on since it was asked for first."""
        names = facts.names
        committed = self._source.committed(names.gate_group, names.decisions, [partition]).get(partition)
        return None if committed is None else _head(committed, facts.topic_id)

    def _compare_decisions(self, spool: Spool) -> None:
        for agent, facts in self._agents.items():
            reports = {each.chain.id.partition: each for each in self._report.chains if each.chain.id.agent == agent}
            if reports and not facts.unknown and facts.topic_id:
                self._compare_agent(facts, reports, spool)

    def _compare_agent(self, facts: AgentFacts, reports: Mapping[int, ChainReport], spool: Spool) -> None:
        topic, wanted = facts.names.decisions, list[Log]()
        try:
            logs = self._source.logs(topic)
        except AuditReadError as error:
            self._report.not_checked.append(str(error))
            return
        for log in logs:
            report, committed = reports.get(log.partition), facts.committed.get(log.partition)
            if report is None or committed is None:
                continue
            end = min(log.end, committed.offset)
            if spool.topic_id(report.chain.id) != facts.topic_id:
                _note_uncompared(report, topic, low=log.low, end=0 if report.chain.records else end)
                continue
            judged = spool.judged(report.chain.id)
            has_record = partial(self._source.has_record, topic, log.partition)
            report.coverage = Coverage(topic, log.partition, low=log.low, end=end, judged=judged, has_record=has_record)
            _note_uncompared(report, topic, low=log.low, end=report.coverage.start)
            skipped = tuple((each.offset, each.last) for each in spool.judged(report.chain.id) if each.last >= 0)
            wanted.append(Log(log.partition, report.coverage.start, end, skipped))
        complete = self._read_topic(topic, wanted, lambda records: _cover(records, reports), of_agents=True)
        for report in reports.values():
            if complete and report.coverage is not None:
                report.coverage.finish()
                self._report.not_checked += _untrue(report.coverage, Place(topic, report.chain.id.partition, 0))
                if deleted := report.coverage.deleted:
                    report.notes.append(f"{counted(deleted, 'judged decision')} deleted from {topic} by its retention")


def verify(connection: Connection, wanted: Wanted, progress: Callable[[int, int], None]) -> Report:
    """Verify the audit of a namespace.

    Raises:
        AuditReadError: Kafka does not answer, or the audit topic cannot be read at all.
    """
    reader = AuditReader(connection)
    try:
        return Verification(reader, wanted, progress).run()
    finally:
        reader.close()


def _cover(records: Sequence[Record], reports: Mapping[int, ChainReport]) -> None:
    for partition, offset, _, value in records:
        coverage = reports[partition].coverage
        if coverage is not None:
            coverage.take(offset, sha256(value or b"").digest())


def _note_uncompared(report: ChainReport, topic: str, *, low: int, end: int) -> None:
    """Say which decisions cannot be compared with anything, as the chain's first records are not there."""
    chain = report.chain
    is_beheaded = chain.begins_at > 1 or (chain.records == 0 and (chain.head or ChainHead()).length > 0)
    if end > low and is_beheaded:
        what = f"decisions from offset {low} to {end - 1} of {topic}"
        report.notes.append(f"{what} are not compared: no audit record of them is left")


def _untrue(coverage: Coverage, partition: Place) -> Iterator[str]:
    """Say of which decisions it cannot be told whether they were judged: agents can write any offset into a batch."""
    if coverage.untrue:
        first, count = partition._replace(offset=coverage.first_untrue), counted(coverage.untrue, "record")
        yield f"{count} with untrue offsets, the first as {first.text}: where they are, and whether they were judged"


def _head(committed: Committed, topic_id: str) -> ChainHead | None:
    try:
        return parse_metadata(committed.metadata, topic_id=topic_id, offset=committed.offset)
    except ChainError:
        return None


def _namespaces_of(topics: Iterable[str]) -> Iterator[str]:
    """Yield the namespaces that have an audit among these topics."""
    for topic in topics:
        namespace = topic.split(".", 1)[0]
        if topic == NamespaceNames(namespace).audit:
            yield namespace


def _agent_of(namespace: str, topic: str) -> str:
    """Return whose decision topic it is; empty: nobody's in this namespace."""
    middle = topic.removeprefix(f"{namespace}.").removesuffix(".decisions")
    try:
        check_agent_name(middle)
    except NameNotAllowedError:
        return ""
    return middle if topic == AgentNames(namespace, middle).decisions else ""
