"""What the data of policies says, read once: every pass asks for all of it, and 16 KiB of YAML take 0.15 s to read."""

import asyncio
from dataclasses import dataclass, field

from streamwarden_contract.canonical import JsonValue
from streamwarden_contract.models import Policy

from streamwarden_operator.desired.policy_params import (
    EffectivePolicy,
    FindConfigMap,
    params_text,
    read_params,
    with_params,
)


@dataclass(frozen=True, slots=True)
class KnownParams:
    """The data of each policy that has some in a ConfigMap."""

    _read: dict[tuple[str, str], tuple[str, dict[str, JsonValue] | str]] = field(default_factory=dict)
    """By namespace and policy: the text that was read last, and what it says."""

    async def effective(self, policy: Policy, find: FindConfigMap) -> EffectivePolicy:
        """Put the data that a policy refers to into it. A new text is read in a thread: nobody else waits for it.

        Args:
            policy: the policy.
            find: finds a ConfigMap.
        """
        where, text = (policy.metadata.namespace, policy.metadata.name), params_text(policy, find)
        if not isinstance(text, str):
            self._read.pop(where, None)
            return EffectivePolicy(policy, text)
        known = self._read.get(where)
        if known is None or known[0] != text:
            known = self._read[where] = text, await asyncio.to_thread(read_params, text)
        return with_params(policy, known[1])

    def forget(self, namespace: str, policy: str) -> None:
        """Let go of what a policy had that is no more."""
        self._read.pop((namespace, policy), None)
