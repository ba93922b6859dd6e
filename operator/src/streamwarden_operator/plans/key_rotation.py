"""How the signing key is replaced without a moment in which a gate could not go on. Pure.

The next key is made and given to all gates → every gate has said that it knows it → it signs, the whole of every log
anew → every gate has a set in force that it signed → the one before is valid no more.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from streamwarden_contract.acks import GateAck

from streamwarden_operator.ports import KeyIds

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
    keys: KeyIds, *, due: str, gates: Sequence[GateAck], unknown: Collection[str], unsigned: Collection[str]
) -> RotationPlan:
    """Find the next step.

    Args:
        keys: which there are.
        due: why the key is to be replaced; empty where it is not.
        gates: what each gate said last, but for those that have ended.
        unknown: namespaces of which it is not known what all of their gates have said.
        unsigned: logs that are not signed by ``keys.signing`` as a whole yet.
    """
    if not keys.following and not keys.previous:
        return RotationPlan(Step.ADD, f"{due}: the next key is given to the gates") if due else RotationPlan(Step.NONE)
    if unknown:
        return RotationPlan(Step.WAIT, f"waits until it is known which gates there are in {_few(unknown)}")
    return _begin_to_sign(keys, gates) if keys.following else _end(keys, gates, unsigned)


def _begin_to_sign(keys: KeyIds, gates: Sequence[GateAck]) -> RotationPlan:
    behind = [gate for gate in gates if keys.following not in gate.key_ids]
    if behind:
        return RotationPlan(
            Step.WAIT,
            f"{len(gates) - len(behind)} of {len(gates)} gates know the next key {keys.following}; the key "
            f"{keys.signing} signs until all of them do. Waits for {_few(map(_name, behind))}",
        )
    return RotationPlan(Step.SIGN, f"all {len(gates)} gates know the key {keys.following}, and it signs now")


def _end(keys: KeyIds, gates: Sequence[GateAck], unsigned: Collection[str]) -> RotationPlan:
    if unsigned:
        return RotationPlan(Step.WAIT, f"the key {keys.signing} signs anew: {_few(unsigned)}")
    behind = [gate for gate in gates if not _has_signed_by(gate, keys.signing)]
    if behind:
        return RotationPlan(
            Step.WAIT,
            f"{len(gates) - len(behind)} of {len(gates)} gates have in force what the key {keys.signing} signed; the "
            f"key {keys.previous} stays valid until all of them do. Waits for {_few(map(_name, behind))}",
        )
    return RotationPlan(Step.RETIRE, f"the key {keys.previous} is valid for no gate any more")


def _has_signed_by(gate: GateAck, key_id: str) -> bool:
    echoes = (gate.epochs.namespace, gate.epochs.guardrail) if gate.epochs is not None else (None,)
    return all(echo is not None and echo.key_id == key_id for echo in echoes)


def _name(gate: GateAck) -> str:
    return f"{gate.namespace}/{gate.pod}"


def _few(names: Iterable[str]) -> str:
    first, *others = sorted(names)
    shown, more = [first, *others[: _NAMED - 1]], len(others) + 1 - _NAMED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")
