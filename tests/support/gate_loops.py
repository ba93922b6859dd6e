"""The gate's loop in this process, and what must hold of it on any Kafka."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from streamwarden_gate.errors import GateError
from streamwarden_gate.loop import GateLoop
from streamwarden_gate.ports import Links
from support.gate_chains import check_chains
from support.gate_fakes import FakePolicies, FakeReports
from support.kafka_tools import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from streamwarden_contract.audit import ChainHead
    from streamwarden_gate.active import ActiveSet
    from streamwarden_gate.partitions import Place
    from streamwarden_gate.ports import Committer, Membership, Pending
    from streamwarden_gate.stop import Stop
    from streamwarden_kafka.records import Write

DENIED = 5
"""Each fifth decision is denied."""
SILENT_ANSWERS = 2
"""So often a coordinator that is made silent does not answer: then a member goes on with a new consumer."""
_LAST = range(1_000, 1_010)
"""Judged before anything is counted."""


class WatchedCommitter:
    """Implements ``ports.Committer`` by another one: something may happen before a commit, and its end is noted."""

    def __init__(self, inner: Committer) -> None:
        self.before_commit: list[Callable[[], None]] = []
        """What happens between the poll and the next commits of outputs."""
        self.failures: list[type[Exception]] = []
        """How transactions ended that were not committed."""
        self._inner = inner

    def open(self) -> None:
        self._inner.open()

    def settle(self) -> None:
        self._inner.settle()

    def begin(self, writes: Sequence[Write], places: Mapping[int, Place]) -> Pending:
        if writes:
            for happens in self.before_commit[:1]:
                self.before_commit.pop(0)
                happens()
        with _noted(self.failures):
            return _WatchedPending(self._inner.begin(writes, places), self.failures)

    def close(self) -> None:
        self._inner.close()


@dataclass
class _WatchedPending:
    """Implements ``ports.Pending``."""

    inner: Pending
    failures: list[type[Exception]]

    def finish(self) -> None:
        with _noted(self.failures):
            self.inner.finish()


@contextmanager
def _noted(failures: list[type[Exception]]) -> Iterator[None]:
    try:
        yield
    except GateError as error:
        failures.append(type(error))
        raise


class Gate:
    """A gate's loop in this process."""

    def __init__(self, pod: str, membership: Membership, committer: Committer, active: ActiveSet, stop: Stop) -> None:
        self.membership = membership
        self.committer = WatchedCommitter(committer)
        self.policies, self.reports = FakePolicies(), FakeReports()
        self.policies.offer(active)
        links = Links(membership, self.committer, self.policies, self.reports)
        self.loop = GateLoop(links, pod=pod, max_batch=100, stop=stop, max_staleness_s=30)

    def close(self) -> None:
        """Go in order."""
        self.membership.close()
        self.committer.close()


class World(Protocol):
    """A decision topic of three partitions, the topics that a gate writes, and a group of gates."""

    gates: list[Gate]

    def propose(self, numbers: Iterable[int]) -> None:
        """Write decisions ``page-<number>``; each fifth is denied."""

    def start_gate(self, pod: str = "guard-0") -> Gate:
        """Begin a gate: it joins the group, and judges as far as it is stepped."""

    def put_out(self, gate: Gate) -> None:
        """Let the group put a gate's member out, which does not know of it."""

    def wait_for_rebalance(self) -> None:
        """Wait until the group has begun to give partitions anew."""

    def lose_an_outcome(self, *, committed: bool) -> None:
        """Let nobody answer for the next transaction, whether it is committed or not."""

    def silence_coordinator(self) -> Callable[[], bool]:
        """Let no coordinator answer the next requests for committed offsets; returns whether they were made."""

    def audits(self) -> list[tuple[bytes | None, bytes | None]]:
        """Key and value of every audit record, in their order."""

    def commanded(self) -> list[str]:
        """The entities of all commands."""

    def committed(self) -> dict[int, tuple[int, ChainHead]]:
        """What the gates' group has committed: position and chain head by partition."""

    def ends(self) -> dict[int, int]:
        """The offset behind the last record or marker of each decision partition."""


def step_until(world: World, holds: Callable[[], object], what: str, *, steps: int = 1) -> None:
    """Let the gates work in turn until something holds; it is asked for after so many steps of each."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, f"not in {WAIT_S:g} s: {what}"
        for _ in range(steps):
            for gate in list(world.gates):
                gate.loop.step()


def step_until_judged(world: World) -> None:
    """Let the gates work until nothing is left to be judged, and that is committed."""

    def judged() -> bool:
        return {number: position for number, (position, _) in world.committed().items()} == world.ends()

    step_until(world, judged, "no lag", steps=5)  # on a Kafka to ask costs more than a step


def check(world: World, numbers: Iterable[int]) -> None:
    """Each decision has one audit record, each allowed one a command; chains and places are as committed.

    Some more are judged before it looks: what comes twice has come by then.
    """
    wanted = [*numbers, *_LAST]
    world.propose(_LAST)
    step_until_judged(world)
    written = world.audits()
    judged = Counter(json.loads(value or b"")["decision"]["entity"] for _, value in written)
    assert judged == Counter(f"page-{number}" for number in wanted)
    assert Counter(world.commanded()) == Counter(f"page-{number}" for number in wanted if number % DENIED)
    committed = world.committed()
    assert {number: position for number, (position, _) in committed.items()} == world.ends()
    check_chains(written, {number: head for number, (_, head) in committed.items()})
