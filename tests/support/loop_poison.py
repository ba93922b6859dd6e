"""Rows of the table of faults: records that would stop a gate, and outages that must cost no decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.kafka_tools import Right
from support.loop_faults import HEADERS, KEY, VALUE, Fault, replaced, written
from support.loop_world import Seen, dead_letter, given_up
from support.raw_records import RawRecord, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.loop_world import Loop

MANY = 200
"""Decisions at once."""


def observed_raw(loop: Loop) -> None:
    """Let an event come that has a header whose name is not UTF-8."""
    write_raw(
        loop.agent.cluster.properties, loop.agent.topic, 0, [RawRecord(b"page-0001", b"{}", [(b"\xff\xfe", b"x")])]
    )


def limited_to(size: int, happens: Callable[[Loop], None]) -> Callable[[Loop], None]:
    """Let the command topic take no larger batches from now on."""

    def lowered(loop: Loop) -> None:
        loop.gate.cluster.configure(loop.gate.commands, {"max.message.bytes": str(size)})
        happens(loop)

    return lowered


def unlimited(loop: Loop) -> None:
    loop.gate.cluster.configure(loop.gate.commands, {"max.message.bytes": "1048588"})


def many(loop: Loop) -> None:
    loop.gate.write_as_agent([(KEY, VALUE, HEADERS)] * MANY)


def unreadable_policies(loop: Loop) -> None:
    """Take the right to read the policies from a gate that runs; what is decided then has to wait."""
    loop.restart_gate(STREAMWARDEN_GATE_MAX_STALENESS="3")
    loop.gate.wait_in_force()
    loop.gate.cluster.revoke(loop.gate.names.gate_principal, [Right("READ", "TOPIC", loop.gate.policies)])
    loop.wait_ack("Stale", "Stale", 0)
    loop.observe_and_wait()


def readable_policies(loop: Loop) -> None:
    loop.gate.cluster.grant(loop.gate.names.gate_principal, [Right("READ", "TOPIC", loop.gate.policies)])
    loop.gate.wait_in_force()
    loop.restart_gate()


def no_right_to_command(loop: Loop) -> None:
    """Let the gate's right come later than its first decision."""
    loop.gate.cluster.revoke(loop.gate.names.gate_principal, [Right("WRITE", "TOPIC", loop.gate.commands)])
    loop.observe_and_wait()
    loop.wait_ack("Rejected", "TargetRefused", loop.in_force)


def right_to_command(loop: Loop) -> None:
    loop.gate.cluster.grant(loop.gate.names.gate_principal, [Right("WRITE", "TOPIC", loop.gate.commands)])


def no_right_to_audit(loop: Loop) -> None:
    """Let the audit topic take nothing: then nothing is commanded either, for all is one transaction."""
    loop.gate.cluster.revoke(loop.gate.names.gate_principal, [Right("WRITE", "TOPIC", loop.gate.names.shared.audit)])
    loop.observe_and_wait()
    loop.wait_ack("Rejected", "TargetRefused", loop.in_force)


def right_to_audit(loop: Loop) -> None:
    loop.gate.cluster.grant(loop.gate.names.gate_principal, [Right("WRITE", "TOPIC", loop.gate.names.shared.audit)])


def no_right_to_dead_letters(loop: Loop) -> None:
    """Let a record come that is a dead letter, and the topic of dead letters take it only later."""
    rights = [Right("WRITE", "TOPIC", loop.gate.names.shared.dead_letters)]
    loop.gate.cluster.revoke(loop.gate.names.gate_principal, rights)
    written(value=b"{")(loop)
    loop.wait_ack("Rejected", "TargetRefused", loop.in_force)
    loop.gate.cluster.grant(loop.gate.names.gate_principal, rights)


# What no library writes, and what a broker refuses for the record itself.
POISON = [
    Fault(
        "X06-the-name-of-an-events-header-is-not-UTF-8",
        observed_raw,
        given_up("Decode", 1, "MalformedEventError: the name of a header is not UTF-8"),
    ),
    Fault(
        "X04-a-command-that-its-topic-does-not-take",
        limited_to(4_000, written(value=replaced(b'"number":7', b'"number":7,"why":"' + b"x" * 5_000 + b'"'))),
        dead_letter("RefusedByBroker"),
        mended=unlimited,
    ),
]

# What is no decision's fault: it waits, none is lost, and none is a dead letter.
OUTAGES = [
    Fault("X03-policies-that-cannot-be-read", unreadable_policies, mended=readable_policies),
    Fault("X04-a-right-that-comes-late", no_right_to_command, mended=right_to_command),
    Fault("F60-an-audit-topic-that-takes-nothing", no_right_to_audit, mended=right_to_audit),
    Fault("F60-a-topic-of-dead-letters-that-takes-nothing", no_right_to_dead_letters, dead_letter("MalformedValue")),
    Fault(
        "X04-a-limit-that-is-lowered",
        limited_to(20_000, many),
        Seen(audits=(("Allow", "RulesHold"),) * MANY, commands=("page-7",) * MANY),
        mended=unlimited,
    ),
]
