"""What a verification has found, as lines for people and as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamwarden_contract.audit_faults import Faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamwarden_contract.audit_chains import Chain
    from streamwarden_contract.audit_coverage import Coverage


@dataclass(slots=True)
class ChainReport:
    """One chain, and its decisions where they were compared."""

    chain: Chain
    coverage: Coverage | None = None
    notes: list[str] = field(default_factory=list)
    """What is no fault, and yet to be said."""

    @property
    def fault_count(self) -> int:
        """How much is wrong with it."""
        return self.chain.faults.count + (0 if self.coverage is None else self.coverage.faults.count)

    @property
    def has_something(self) -> bool:
        """Whether there is anything to say: a partition without decisions has no chain yet."""
        return bool(self.chain.records or self.fault_count or self.notes)

    def to_json(self) -> dict[str, object]:
        """Return it as plain JSON values."""
        chain, coverage = self.chain, self.coverage
        decisions = None if coverage is None else {"compared": coverage.compared, "deleted": coverage.deleted}
        return {
            "agent": chain.id.agent,
            "partition": chain.id.partition,
            "records": chain.records,
            "firstLength": chain.begins_at,
            "length": chain.length,
            "sha256": chain.sha256,
            "decisions": decisions,
            "notes": self.notes,
            "faultCount": self.fault_count,
            "faults": [*_faults(chain.faults), *(() if coverage is None else _faults(coverage.faults))],
        }

    def lines(self, namespace: str) -> Iterator[str]:
        """Yield a line on the chain, then one for each note and each fault."""
        chain, coverage = self.chain, self.coverage
        begins = "from the beginning" if chain.begins_at <= 1 else f"from length {chain.begins_at} on"
        said = [counted(chain.records, "record"), begins]
        if coverage is not None:
            said.append(f"{counted(coverage.compared, 'decision')} compared")
        said.append("whole" if self.fault_count == 0 else counted(self.fault_count, "fault"))
        yield f"{namespace}/{chain.id.agent} partition {chain.id.partition}: {', '.join(said)}"
        yield from (f"  {note}" for note in self.notes)
        yield from _fault_lines(chain.faults)
        if coverage is not None:
            yield from _fault_lines(coverage.faults)


@dataclass(slots=True)
class Report:
    """All of one verification."""

    namespace: str
    chains: list[ChainReport] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    """Of records that belong to no chain."""
    not_checked: list[str] = field(default_factory=list)
    """What was asked for and could not be read."""

    @property
    def fault_count(self) -> int:
        """How much is wrong in all."""
        return self.faults.count + sum(chain.fault_count for chain in self.chains)

    @property
    def whole(self) -> bool:
        """Whether all that was asked for was checked, and nothing is wrong."""
        return self.fault_count == 0 and not self.not_checked

    def to_json(self) -> str:
        """Return it as JSON; ``docs/reference/audit.md`` has its shape."""
        found = {
            "namespace": self.namespace,
            "whole": self.whole,
            "records": sum(chain.chain.records for chain in self.chains),
            "faultCount": self.fault_count,
            "chains": [chain.to_json() for chain in self.chains],
            "faults": _faults(self.faults),
            "notChecked": self.not_checked,
        }
        return json.dumps(found, indent=2)

    def lines(self) -> Iterator[str]:
        """Yield it as text, the summary last."""
        for chain in self.chains:
            yield from chain.lines(self.namespace)
        if self.faults.count:
            yield f"records of no chain: {counted(self.faults.count, 'fault')}"
            yield from _fault_lines(self.faults)
        yield from (f"not checked: {what}" for what in self.not_checked)
        records = sum(chain.chain.records for chain in self.chains)
        said = [counted(len(self.chains), "chain"), counted(records, "record"), counted(self.fault_count, "fault")]
        if self.not_checked:
            said.append(f"{len(self.not_checked)} not checked")
        yield f"{', '.join(said)}: {'whole' if self.whole else 'NOT WHOLE' if self.fault_count else 'not certain'}"


def _faults(faults: Faults) -> list[dict[str, object]]:
    return [{"kind": fault.kind, **fault.place._asdict(), "message": fault.message} for fault in faults]


def _fault_lines(faults: Faults) -> Iterator[str]:
    yield from (f"  {fault.kind} {fault.place.text}: {fault.message}" for fault in faults)
    if left := faults.count - len(faults.told):
        yield f"  and {counted(left, 'further fault')}"


def counted(number: int, what: str) -> str:
    """Say how many there are of something."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
