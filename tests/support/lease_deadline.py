"""F11: a leader past its Lease's time writes nothing, and it is its own clock alone that stops it.

Nobody else leads, publishes or fences it, and neither Kafka nor the API server refuses anything: what it was to write
is taken from the next process as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamwarden_operator.errors import LeadershipLostError
from streamwarden_operator.keys import key_of
from streamwarden_operator.plans.election import RENEW_DEADLINE_S
from support.installations import SETTLED_S, Installation
from support.lease_fakes import Clock, Server, replica
from support.memory_kafka import Guarded
from support.operator_harness import policy, until
from support.strangers import added, changed

if TYPE_CHECKING:
    from streamwarden_operator.wiring.controller import Controller
    from support.installations import Dump, SharedKafka

NAMESPACE = "timed"
LOG = ("topic", "timed.streamwarden.policies")


class Timed:
    """An installation whose process leads by a Lease; each edit of its policy is to be published."""

    def __init__(self, kafka: SharedKafka) -> None:
        self.kafka, self.clock = kafka, Clock()
        self.election = replica(Server(), self.clock)
        self.installation = Installation(kafka, "late", NAMESPACE)
        self._edits = 1

    async def edit(self, operator: Controller) -> Dump:
        """Edit the policy; returns what Kafka has once that is done, or the process can do no more."""
        self._edits += 1
        edited = policy("strict", f"decision.confidence >= 0.{self._edits}", NAMESPACE, generation=self._edits)
        self.installation.cluster.put(edited)
        operator.changed(key_of(edited))
        await until(lambda: operator.idle or operator.lost.is_set(), SETTLED_S)
        return await self.kafka.dump()


async def stops_by_its_own_clock(kafka: SharedKafka) -> None:
    """Let a leader write until just before its deadline, and fail if anything goes out after it."""
    timed = Timed(kafka)
    made, clock, election = timed.installation, timed.clock, timed.election
    await election.acquire()
    made.cluster.writes = Guarded(election.check)
    async with made.running(election.check) as operator:
        await made.settled(operator, NAMESPACE)
        before = await kafka.dump()
        clock.now_s += RENEW_DEADLINE_S - 0.01
        in_time = await timed.edit(operator)
        assert LOG in changed(before, in_time)
        written = len(made.cluster.writes)
        clock.now_s += 0.02
        too_late = await timed.edit(operator)
        written_late = changed(in_time, too_late).keys() | added(in_time, too_late)
        assert written_late == set(), written_late
        assert made.cluster.writes[written:] == []
        assert operator.lost.is_set()
        assert isinstance(operator.lost_by, LeadershipLostError)
        assert "was not renewed in time" in str(operator.lost_by), "no other publisher, but its own clock"
    made.cluster.writes = []
    async with made.running() as operator:
        await until(lambda: operator.idle, SETTLED_S)
        taken = await kafka.dump()
    assert LOG in changed(too_late, taken)
