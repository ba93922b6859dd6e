"""The client quotas of the users of one Kafka cluster."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.batching import Batcher
from streamwarden_kafka.errors import RequestRefusedError
from streamwarden_kafka.wire.quotas import alter_user_quotas, describe_user_quotas

from streamwarden_operator.adapters.kafka.errors import translated
from streamwarden_operator.errors import QuotaRefusedError
from streamwarden_operator.ports import QuotaPlan, Quotas

_CLIENT_ID = "streamwarden-operator-quotas"


class KafkaClientQuotas:
    """Implements ``ports.ClientQuotas``; who asks at the same time shares a request. All calls from one event loop."""

    def __init__(self, admin: KafkaAdmin) -> None:
        self._admin = admin
        self._wire = admin.wire(_CLIENT_ID)
        self._lists: Batcher[str, Mapping[str, Quotas]] = Batcher(lambda _: describe_user_quotas(self._wire))

    async def observe(self) -> Mapping[str, Quotas]:
        """Return the quotas of every user that has some of its own."""
        with _translated("list the quotas"):
            return await self._lists.get(())

    async def apply(self, user: str, plan: QuotaPlan) -> None:
        """Change a user's quotas, and wait until a broker shows it."""
        if not plan:
            return

        async def shown() -> bool:
            found = (await self._lists.get(())).get(user, {})
            return plan.set.items() <= found.items() and plan.unset.isdisjoint(found)

        with _translated(f"change the quotas of user {user!r}"):
            self._admin.guard()
            await alter_user_quotas(self._wire, user, {**plan.set, **dict.fromkeys(plan.unset)})
            await self._admin.until(shown, f"quota of user {user!r}")

    async def close(self) -> None:
        """Let go of all connections."""
        await self._wire.close()


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    with translated(doing):
        try:
            yield
        except RequestRefusedError as error:
            message = (
                f"{error}. Grant the operator's user DescribeConfigs and AlterConfigs on the cluster, or take the "
                "quotas out of its settings"
            )
            raise QuotaRefusedError(message) from error
