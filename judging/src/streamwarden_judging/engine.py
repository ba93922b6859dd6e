"""Judges the decisions of one agent under one set of policies. Never raises for a decision; what fails is denied."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from streamwarden_contract.canonical import JsonValue
from streamwarden_contract.reasons import VerdictReason

from streamwarden_judging import rules, verdicts
from streamwarden_judging.typed.coercion import InexactNumberError
from streamwarden_judging.typed.facts import CoerceDecision
from streamwarden_judging.typed.zeros import ZeroInKeyError
from streamwarden_judging.verdicts import PolicySet, Verdict
from streamwarden_judging.words import as_words

_NOTHING_TYPED: Mapping[str, CoerceDecision] = MappingProxyType({})

_ENGINE_ERRORS = (ArithmeticError, RuntimeError, SystemError, TypeError, ValueError)
"""What the CEL engine raises, in place of an error value, for values that it cannot take."""


class Engine:
    """One agent, one set of policies; never changed, only replaced."""

    __slots__ = ("_agent", "_policies", "_typed")

    def __init__(
        self, policies: PolicySet, agent: Mapping[str, object], typed: Mapping[str, CoerceDecision] = _NOTHING_TYPED
    ) -> None:
        """Take what judges.

        Args:
            policies: compiled, with ``rules.build_policy_set``.
            agent: what rules see as ``agent``.
            typed: by decision type, what gives a decision the types of its schema (``typed.facts.decision_coercion``).
        """
        self._policies = policies
        self._agent = agent
        self._typed = typed

    def judge(self, decision_type: str, decision: Mapping[str, JsonValue], now: datetime) -> Verdict:
        """Return the verdict on a decision that fits its schema.

        Args:
            decision_type: the decision's ``type``.
            decision: the decision as plain JSON of bounded depth: what rules see as ``decision``.
            now: what rules see as ``now``.
        """
        try:
            typed = self._typed.get(decision_type)
            seen = decision if typed is None else typed(decision)
            facts = rules.activation(decision=seen, agent=self._agent, now=now)
            return verdicts.judge(self._policies, decision_type, facts)
        except (InexactNumberError, ZeroInKeyError) as error:
            return self.deny(decision_type, VerdictReason.RULE_ERROR, str(error))
        except _ENGINE_ERRORS as error:
            message = f"the rules could not be evaluated: {type(error).__name__}"
            return self.deny(decision_type, VerdictReason.RULE_ERROR, message)

    def deny(self, decision_type: str, reason: VerdictReason, message: str) -> Verdict:
        """Return the verdict on a decision of which no rule can be asked."""
        return verdicts.deny(self._policies, decision_type, reason, as_words(message))
