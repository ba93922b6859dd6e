"""How the signing key is replaced without a moment in which a gate could not go on. Pure.

The next key is made and given to all gates → every gate has said that it knows it → it signs, the whole of every log
anew → every gate has a set in force that it signed → the one before is valid no more. People may name gates that are
waited for no longer, as on a node that is gone; who they are is said with each step that leaves them behind.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from streamwarden_contract.acks import GateAck

from streamwarden_operator.ports import KeyIds, RotationAsked

_NAMED = 3


class Step(Enum):
    """What is done now."""

    NONE = "none"
    ADD = "add"
    SIGN = "sign"
    RETIRE = "retire"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class RotationPlan:
    """The next step, and where the rotation stands in words; empty where there is none."""

    step: Step
    progress: str = ""


def plan_rotation(
    keys: KeyIds,
    asked: RotationAsked,
    *,
    gates: Sequence[GateAck],
    unknown: Collection[str],
    unsigned: Collection[str],
) -> RotationPlan:
    """Find the next step.

    Args:
        keys: which there are.
        asked: why the key is to be replaced, and which gates people have it wait for no longer.
        gates: what each gate said last, but for those that have ended.
        unknown: namespaces of which it is not known what all of their gates have said.
        unsigned: logs that are not signed by ``keys.signing`` as a whole yet.
    """
    if not keys.following and not keys.previous:
        due = f"{asked.due}: the next key is given to the gates"
        return RotationPlan(Step.ADD, due) if asked.due else RotationPlan(Step.NONE)
    if awaited := [namespace for namespace in unknown if f"{namespace}/*" not in asked.without]:
        return RotationPlan(Step.WAIT, f"waits until it is known which gates there are in {_few(awaited)}")
    plan = _begin_to_sign(keys, gates, asked) if keys.following else _end(keys, gates, unsigned, asked)
    if not unknown:
        return plan
    return RotationPlan(plan.step, f"{plan.progress}; nobody knows which gates there are in {_few(unknown)}")


def _begin_to_sign(keys: KeyIds, gates: Sequence[GateAck], asked: RotationAsked) -> RotationPlan:
    behind, left = _split([gate for gate in gates if keys.following not in gate.key_ids], asked)
    if behind:
        return RotationPlan(
            Step.WAIT,
            f"{len(gates) - len(behind)} of {len(gates)} gates know the next key {keys.following}; the key "
            f"{keys.signing} signs until all of them do. Waits for {_few(behind)}",
        )
    if left:
        return RotationPlan(
            Step.SIGN,
            f"{len(gates) - len(left)} of {len(gates)} gates know the key {keys.following}, and it signs now: people "
            f"have asked to wait no longer for {_few(left)}, which nothing reaches that is published from now on",
        )
    return RotationPlan(Step.SIGN, f"all {len(gates)} gates know the key {keys.following}, and it signs now")


def _end(keys: KeyIds, gates: Sequence[GateAck], unsigned: Collection[str], asked: RotationAsked) -> RotationPlan:
    if unsigned:
        return RotationPlan(Step.WAIT, f"the key {keys.signing} signs anew: {_few(unsigned)}")
    behind, left = _split([gate for gate in gates if not _has_signed_by(gate, keys.signing)], asked)
    if behind:
        return RotationPlan(
            Step.WAIT,
            f"{len(gates) - len(behind)} of {len(gates)} gates have in force what the key {keys.signing} signed; the "
            f"key {keys.previous} stays valid until all of them do. Waits for {_few(behind)}",
        )
    without = f"; {_few(left)}, left out as people have asked, may not take what {keys.signing} signs" if left else ""
    return RotationPlan(Step.RETIRE, f"the key {keys.previous} is valid for no gate any more{without}")


def _split(behind: Collection[GateAck], asked: RotationAsked) -> tuple[list[str], list[str]]:
    """Return whom it waits for, and whom people have it wait for no longer."""
    left = [gate for gate in behind if asked.without & {_name(gate), f"{gate.namespace}/*"}]
    return [_name(gate) for gate in behind if gate not in left], list(map(_name, left))


def _has_signed_by(gate: GateAck, key_id: str) -> bool:
    echoes = (gate.epochs.namespace, gate.epochs.guardrail) if gate.epochs is not None else (None,)
    return all(echo is not None and echo.key_id == key_id for echo in echoes)


def _name(gate: GateAck) -> str:
    return f"{gate.namespace}/{gate.pod}"


def _few(names: Iterable[str]) -> str:
    first, *others = sorted(names)
    shown, more = [first, *others[: _NAMED - 1]], len(others) + 1 - _NAMED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
