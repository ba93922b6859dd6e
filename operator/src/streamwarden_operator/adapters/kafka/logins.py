"""Whether a user can log in: tried, as nothing else tells whether Kafka has a password."""

from dataclasses import replace

from streamwarden_kafka.connection import SCRAM_SHA_512, Connection, Protocol
from streamwarden_kafka.errors import LoginRefusedError
from streamwarden_kafka.wire.connections import Wire

from streamwarden_operator.adapters.kafka.errors import translated


class KafkaLogins:
    """Implements ``ports.Logins`` with one connection a try."""

    def __init__(self, connection: Connection, pod_bootstrap_servers: str, *, timeout_s: float) -> None:
        """Prepare.

        Args:
            connection: the operator's. Where it logs in by SASL, so do we; a listener without it takes everybody.
            pod_bootstrap_servers: as the pods reach Kafka, for an operator that logs in by other means.
            timeout_s: longest wait for one answer.
        """
        if connection.protocol not in {Protocol.SASL_PLAINTEXT, Protocol.SASL_SSL}:
            connection = Connection.scram(pod_bootstrap_servers, "", "")
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
