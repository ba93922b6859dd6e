"""Whether another producer has taken a transactional id over, though this process writes nothing."""

from streamwarden_kafka.connection import Connection
from streamwarden_kafka.errors import KafkaClientError
from streamwarden_kafka.outcomes import OnAnswered, ignore
from streamwarden_kafka.wire.connections import Wire
from streamwarden_kafka.wire.transactional_ids import Holder, holder_of


class FenceWatch:
    """Compares who has the id with who had it when this process used it last. All calls from one event loop."""

    def __init__(
        self, connection: Connection, transactional_id: str, *, timeout_s: float, on_answered: OnAnswered = ignore
    ) -> None:
        """Prepare; nothing connects before the first call.

        Args:
            connection: the operator's.
            transactional_id: of the one publisher.
            timeout_s: longest wait for one answer.
            on_answered: called after each request.
        """
        self._wire = Wire(connection, "fence-watch", timeout_s=timeout_s, on_answered=on_answered)
        self._transactional_id = transactional_id
        self._own: Holder | None = None
        """None: not known."""

    async def note(self) -> None:
        """Take whoever has the id for this process: asked just after it has used it."""
        self.forget()  # whoever is cancelled here must not go by what was
        self._own = await self._ask()

    def forget(self) -> None:
        """Say that this process may have used the id since: the next look tells who has it."""
        self._own = None

    async def is_fenced(self) -> bool:
        """Tell whether somebody else has the id now; where that cannot be known, nobody has."""
        found = await self._ask()
        if self._own is None:
            self._own = found
        return found is not None and found != self._own

    async def close(self) -> None:
        """Let go of the connections."""
        await self._wire.close()

    async def _ask(self) -> Holder | None:
        try:
            return await holder_of(self._wire, self._transactional_id)
        except KafkaClientError:
            return None  # the next publication finds out
