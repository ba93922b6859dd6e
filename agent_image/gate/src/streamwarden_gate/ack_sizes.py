"""What a gate says where its ack is too large for the topic of acks. Pure.

An ack that is not taken leaves the one before it standing, which may say that something is in force that is no more. So
the gate says less: what matters least goes first, and none that leaves its policies out claims to be ``InForce``.
"""

from streamwarden_contract.acks import GateAck

from streamwarden_gate.reasons import RefusalReason

_SHORT_MESSAGE_LENGTH = 160


def in_fewer_words(ack: GateAck) -> tuple[GateAck | None, ...]:
    """Return what to say instead, the longest first; None, a tombstone, takes even the ack before it back."""
    bare = ack.model_copy(update={"rule_errors": (), "refused_events": ()})
    untold = bare.model_copy(update={"policies": (), **_instead_of_in_force(ack)})
    few = {"epochs": None, "key_ids": (), "message": untold.message[:_SHORT_MESSAGE_LENGTH]}
    return bare, untold, untold.model_copy(update=few), None


def _instead_of_in_force(ack: GateAck) -> dict[str, str]:
    if ack.state != "InForce":
        return {}
    message = (
        f"it judges by {len(ack.policies)} policies, which it cannot say: the list of them is too large for the topic "
        "of acks (max.message.bytes), or for the operator"
    )
    return {"state": "Rejected", "reason": RefusalReason.ACK_TOO_LARGE, "message": message}
