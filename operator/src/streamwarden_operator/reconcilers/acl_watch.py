"""ACLs that others make or take away: found by one listing for all agents and contracts, which are woken then."""

import time
from collections.abc import Callable

import structlog

from streamwarden_operator.clock import repeat
from streamwarden_operator.errors import OperatorError
from streamwarden_operator.ports import Acls

_log = structlog.get_logger(__name__)


class AclWatch:
    """Lists the ACLs once in a while. An agent's own resync finds them listed."""

    def __init__(self, acls: Acls, *, every_s: float, changed: Callable[[], None]) -> None:
        """Make a watch.

        Args:
            acls: Kafka's.
            every_s: seconds between two listings.
            changed: called when others have changed some.
        """
        self._acls = acls
        self._every_s = every_s
        self._changed = changed

    async def run(self) -> None:
        """Repeat for ever. A defect costs a round."""
        await repeat(self.tick, clock=time.monotonic, every_s=self._every_s, failure="ACLs not listed")

    async def tick(self, _now_s: float = 0.0) -> None:
        """List them; what does not answer now is asked again the next time, or by a reconcile."""
        try:
            changed = await self._acls.look_again()
        except OperatorError as error:
            _log.warning("ACLs not listed", reason=error.reason.value, error=str(error))
            return
        if changed:
            _log.info("others have changed ACLs", acls=len(changed))
            self._changed()
