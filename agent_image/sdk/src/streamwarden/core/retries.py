"""How long to wait before an event is tried again."""

from dataclasses import dataclass

from streamwarden_contract.models.agent_deployment import Retry
from streamwarden_contract.models.durations import parse_duration


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that grow by a factor up to a cap."""

    max_attempts: int
    """Calls of the handler in all, the first one included: at least 1."""
    initial_s: float
    """Before the second attempt."""
    factor: int
    """Of each wait to the one before: at least 1, which means waits of one length."""
    cap_s: float
    """No wait is longer."""

    @classmethod
    def of(cls, retry: Retry) -> "Backoff":
        """Read it from the AgentDeployment's ``retry``."""
        return cls(
            max_attempts=retry.max_attempts,
            initial_s=parse_duration(retry.backoff.initial).total_seconds(),
            factor=retry.backoff.factor,
            cap_s=parse_duration(retry.backoff.cap).total_seconds(),
        )

    def wait_s(self, attempts: int) -> float | None:
        """Return the seconds to wait after that many failed attempts (from 1), or None where it was the last one."""
        if attempts >= self.max_attempts:
            return None
        return min(self.initial_s * float(self.factor) ** (attempts - 1), self.cap_s)
