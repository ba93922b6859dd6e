"""Whether a user can log in: tried, as nothing else tells whether Kafka has a password."""

from dataclasses import replace

from streamwarden_kafka.connection import SCRAM_SHA_512, Connection
from streamwarden_kafka.errors import LoginRefusedError
from streamwarden_kafka.wire.connections import Wire

from streamwarden_operator.adapters.kafka.errors import translated


class KafkaLogins:
    """Implements ``ports.Logins`` with one connection a try."""

    def __init__(self, connection: Connection, *, timeout_s: float) -> None:
        """Prepare.

        Args:
            connection: the operator's: the same brokers, and the same transport.
            timeout_s: longest wait for one answer.
        """
        self._connection = replace(connection, mechanism=SCRAM_SHA_512)
        self._timeout_s = timeout_s

    async def check(self, user: str, password: str) -> bool:
        """Tell whether Kafka takes this password of a user.

        Raises:
            KafkaUnavailableError: no broker answers.
        """
        wire = Wire(self._connection.as_user(user, password), "streamwarden-operator-login", timeout_s=self._timeout_s)
        with translated(f"log in as user {user!r}"):
            try:
                await wire.any_broker()
            except LoginRefusedError:
                return False
            finally:
                await wire.close()
        return True
