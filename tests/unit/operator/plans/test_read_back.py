"""What the operator has signed itself is not verified when it reads it back."""

from __future__ import annotations

from dataclasses import replace

from streamwarden_contract.models.policy import PolicySpec, Rule
from streamwarden_operator.adapters.signing import KeyRing, SigningKey
from streamwarden_operator.desired.policy_log import DesiredLog
from streamwarden_operator.plans.log_plan import after, sign_plan
from streamwarden_operator.plans.log_state import LogState, verify_log
from streamwarden_operator.plans.policy_log import plan_log

TOPIC, CLUSTER = "risk.streamwarden.policies", "cluster-1"
KEY = SigningKey.create()
RING = KeyRing(KEY.public_key)
WANTED = DesiredLog(valid={name: PolicySpec(rules=(Rule(name="r", require="true"),)) for name in ("strict", "watch")})


class Counting:
    """Knows our keys, and counts whom it is asked of."""

    def __init__(self) -> None:
        self.asked = 0

    def verify(self, key_id: str, signature: bytes, message: bytes) -> bool:
        self.asked += 1
        return RING.verify(key_id, signature, message)


def test_x85_what_reads_back_as_it_was_signed_is_not_verified_again_and_all_else_is() -> None:
    plan = plan_log("risk", WANTED, LogState())
    signed = sign_plan(plan, topic=TOPIC, cluster_id=CLUSTER, signer=KEY)
    records, verifier = {record.key: record for record in signed}, Counting()
    known = after(LogState(), plan, signed)
    state = verify_log(records, topic=TOPIC, cluster_id=CLUSTER, verifier=verifier, known=known)
    assert (verifier.asked, state) == (0, after(LogState(), plan))
    key = next(iter(records))
    records[key] = replace(records[key], value=b"{}")
    state = verify_log(records, topic=TOPIC, cluster_id=CLUSTER, verifier=verifier, known=known)
    assert (verifier.asked, set(state.refused)) == (1, {key})
    gone = plan_log("risk", DesiredLog(), known)
    swept = after(known, gone, sign_plan(gone, topic=TOPIC, cluster_id=CLUSTER, signer=KEY))
    assert gone.tombstones
    assert not set(gone.tombstones) & swept.verified.keys()
