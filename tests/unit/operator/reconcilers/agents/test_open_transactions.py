"""An agent whose own transaction stays open, and keeps its gate from its decisions."""

from __future__ import annotations

from streamwarden_operator.keys import key_of
from support.operator_harness import agent, conditions_of, running, whole_namespace
from support.policy_fakes import ack_of

GUARD = agent()


async def test_a_transaction_that_keeps_a_gate_from_decisions_is_told_once_and_over_with_it() -> None:
    async with running(*whole_namespace()) as harness:
        said = {"reason": "DecisionsInOpenTransaction", "message": "decision partition 0: nothing from offset 5 on"}
        harness.acks.say(ack_of(harness.binding(), **said))
        for _ in range(2):
            harness.controller.add(key_of(GUARD))
            await harness.settle()
        found = conditions_of(harness.get(GUARD))
        assert found["GateReady"] == found["Ready"] == ("False", "DecisionsInOpenTransaction")
        assert [(event.reason, said["message"] in event.message) for event in harness.cluster.events] == [
            ("DecisionsInOpenTransaction", True)
        ]
        harness.acks.say(ack_of(harness.binding()))
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["Ready"] == ("True", "OK")
