"""How often rules of the policies in force have erred: an error denies, and is a mistake in rule or data. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from streamwarden_contract.acks import MAX_RULE_ERRORS, RuleErrors
from streamwarden_contract.models.policy import PolicyRef
from streamwarden_contract.reasons import VerdictReason
from streamwarden_judging.verdicts import Verdict

from streamwarden_gate.magnitudes import at_least

FORGOTTEN_AFTER_S = 3600.0
"""So long after its last error a rule is told no more: it was what agents sent then, or has been mended in the data."""
TOLD_EVERY_MS = 300_000
"""A rule that goes on to err is told with the time of its last error so often: acks are to stay few."""
_MAX_KEPT = 256
"""Rules that are counted: an agent has at most so many policies' first ones, and no memory is anybody's to fill."""


@dataclass(slots=True)
class _Entry:
    count: int
    message: str
    """What the engine said first: it may quote the decision, and is not to change with each."""
    erred_s: float | None = None
    """When it erred last; None where that was after the time was last given."""
    told_ms: int | None = None
    """When it erred last, as is told."""


_Place = tuple[str, str]
"""``namespace/name@revision`` of a policy, and the name of one of its rules."""


class RuleErrorTally:
    """Counts by rule while the revision of its policy is in force, until an hour after the last error."""

    def __init__(self) -> None:
        self._refs: dict[str, PolicyRef] = {}
        """By ``namespace/name@revision``."""
        self._entries: dict[_Place, _Entry] = {}
        self._told: tuple[RuleErrors, ...] = ()

    def keep(self, refs: Iterable[PolicyRef]) -> None:
        """Take over a new set: what is counted of other revisions is forgotten."""
        self._refs = {f"{ref.namespace}/{ref.name}@{ref.revision}": ref for ref in refs}
        self._entries = {place: entry for place, entry in self._entries.items() if place[0] in self._refs}
        self._tell()

    def note(self, verdict: Verdict) -> None:
        """Count the rules that erred on one decision, of what an Audit policy would have denied too."""
        grown = False
        for place, message in _errors(verdict):
            entry = self._entries.get(place)
            if entry is None:
                if len(self._entries) >= _MAX_KEPT or place[0] not in self._refs:
                    continue
                entry = self._entries[place] = _Entry(0, message)
            entry.count += 1
            entry.erred_s = None
            grown = grown or at_least(entry.count) == entry.count
        if grown:
            self._tell()

    def forget(self, now_s: float, now_ms: int) -> None:
        """Forget rules that have not erred for an hour; to be called now and then.

        Args:
            now_s: monotonic seconds.
            now_ms: milliseconds since 1970, to tell when rules have erred.
        """
        kept: dict[_Place, _Entry] = {}
        changed = False
        for place, entry in self._entries.items():
            if entry.erred_s is None:
                entry.erred_s = now_s
                if entry.told_ms is None or abs(now_ms - entry.told_ms) >= TOLD_EVERY_MS:
                    entry.told_ms = now_ms
                    changed = True
            if now_s - entry.erred_s < FORGOTTEN_AFTER_S:
                kept[place] = entry
        if changed or len(kept) < len(self._entries):
            self._entries = kept
            self._tell()

    @property
    def told(self) -> tuple[RuleErrors, ...]:
        """What an ack says of it: new when a rule errs first, with each power of ten, and for the time now and then."""
        return self._told

    def _tell(self) -> None:
        worst = sorted(self._entries.items(), key=lambda item: (-at_least(item[1].count), item[0]))[:MAX_RULE_ERRORS]
        self._told = tuple(
            RuleErrors(
                policy=self._refs[policy],
                rule=rule,
                at_least=at_least(entry.count),
                message=entry.message,
                last_error_at_ms=entry.told_ms,
            )
            for (policy, rule), entry in worst
        )


def _errors(verdict: Verdict) -> Iterator[tuple[_Place, str]]:
    if verdict.reason is VerdictReason.RULE_ERROR and verdict.rule:
        yield _place(verdict.policy, verdict.rule), verdict.message
    for finding in verdict.would_deny:
        if finding.reason is VerdictReason.RULE_ERROR and finding.rule:
            yield _place(finding.policy, finding.rule), finding.message


def _place(policy: str, rule: str) -> _Place:
    """Return the place of a rule that is written ``policy/rule``."""
    return policy, rule.partition("/")[2]
