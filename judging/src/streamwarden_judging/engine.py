"""Judges the decisions of one agent under one set of policies. Never raises for a decision; what fails is denied."""

from collections.abc import Mapping
from datetime import datetime

from streamwarden_contract.canonical import JsonValue
from streamwarden_contract.reasons import VerdictReason

from streamwarden_judging import rules
from streamwarden_judging.verdicts import Effect, PolicySet, Verdict, judge

_ENGINE_ERRORS = (ArithmeticError, RuntimeError, SystemError, TypeError, ValueError)
"""What the CEL engine raises, in place of an error value, for values that it cannot take."""


class Engine:
    """One agent, one set of policies; never changed, only replaced."""

    __slots__ = ("_agent", "_policies")

    def __init__(self, policies: PolicySet, agent: Mapping[str, object]) -> None:
        """Take what judges.

        Args:
            policies: compiled, with ``rules.build_policy_set``.
            agent: what rules see as ``agent``.
        """
        self._policies = policies
        self._agent = agent

    def judge(self, decision_type: str, decision: Mapping[str, JsonValue], now: datetime) -> Verdict:
        """Return the verdict on a decision that fits its schema.

        Args:
            decision_type: the decision's ``type``.
            decision: the decision as plain JSON of bounded depth: what rules see as ``decision``.
            now: what rules see as ``now``.
        """
        try:
            facts = rules.activation(decision=decision, agent=self._agent, now=now)
            return judge(self._policies, decision_type, facts)
        except _ENGINE_ERRORS as error:
            covering = (policy for policy in self._policies.enforcing if policy.covers(decision_type))
            return Verdict(
                Effect.DENY,
                VerdictReason.RULE_ERROR,
                message=f"the rules could not be evaluated: {type(error).__name__}",
                policies=tuple(policy.at_revision for policy in covering),
            )
