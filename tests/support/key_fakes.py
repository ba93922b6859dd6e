"""Where signing keys are kept, in memory; and what a gate reports of them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, cast

from streamwarden_contract.acks import SignedEpoch, SignedEpochs
from streamwarden_operator.adapters.kubernetes.secrets import KeptSecret, SecretStore
from streamwarden_operator.errors import ConflictError
from support.policy_fakes import ack_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamwarden_operator.ports import SignedRecord
    from support.operator_harness import Harness

OWN, GUARDRAILS = "risk.streamwarden.policies", "streamwarden.policies"


class FakeKeptSecrets:
    """One Secret, as an API server keeps it."""

    def __init__(self, data: Mapping[str, str] | None = None, created: str = "2026-01-01T00:00:00Z") -> None:
        self.data = None if data is None else dict(data)
        self.annotations: dict[str, str] = {}
        """What people say."""
        self.shown: dict[str, str] = {}
        """What the operator says."""
        self.created = created
        self.version = 1

    @property
    def store(self) -> SecretStore:
        return cast("SecretStore", self)

    async def create(self, _namespace: str, _name: str, data: Mapping[str, str]) -> bool:
        if self.data is not None:
            return False
        self.data, self.version = dict(data), self.version + 1
        return True

    async def read_kept(self, _namespace: str, _name: str) -> KeptSecret | None:
        if self.data is None:
            return None
        return KeptSecret(dict(self.data), self.annotations | self.shown, str(self.version), self.created)

    async def write_kept(
        self,
        _namespace: str,
        _name: str,
        data: Mapping[str, str | None],
        annotations: Mapping[str, str | None],
        version: str,
    ) -> KeptSecret:
        if version != str(self.version):
            raise ConflictError("it was changed meanwhile")
        self.data, self.shown = _merged(self.data or {}, data), _merged(self.shown, annotations)
        self.version += 1
        return KeptSecret(self.data, self.annotations | self.shown, str(self.version), self.created)


def _merged(before: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**before, **changes}.items() if value is not None}


def epoch_of(harness: Harness, topic: str = OWN) -> int:
    return int(json.loads(harness.log.topics[topic][b"epoch"].value or b"")["epoch"])


def say_epochs(harness: Harness, *key_ids: str, pod: str = "pod-0") -> None:
    """Let the agent's gate report which keys it knows, with what is published in force."""
    own, guardrails = (harness.log.topics[topic][b"epoch"] for topic in (OWN, GUARDRAILS))
    epochs = SignedEpochs(namespace=_echo_of(own), guardrail=_echo_of(guardrails))
    of_both = epoch_of(harness), epoch_of(harness, GUARDRAILS)
    said = ack_of(
        harness.binding(), pod, epochs=epochs, key_ids=key_ids, namespace_epoch=of_both[0], guardrail_epoch=of_both[1]
    )
    harness.acks.say(said)


def _echo_of(record: SignedRecord) -> SignedEpoch:
    headers = dict(record.headers)
    signature = base64.b64encode(headers["sw-signature"]).decode()
    return SignedEpoch(value=(record.value or b"").decode(), signature=signature, key_id=headers["sw-key-id"].decode())
