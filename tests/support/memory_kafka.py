"""A Kafka and a registry in memory that several installations share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streamwarden_operator.backends import Backends
from streamwarden_operator.ports import Acl, Topic
from support.acl_fakes import FakeAcls
from support.fakes import FakeOffsets, FakeSchemaRegistry, FakeTopics
from support.lag_fakes import FakeLags
from support.login_fakes import FakeLogins, FakeScramUsers
from support.policy_fakes import FakeGateAcks, FakePolicyLog
from support.quota_fakes import FakeClientQuotas
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamwarden_operator.settings import OperatorSettings
    from streamwarden_operator.write_guard import WriteGuard
    from support.installations import Dump


class Guarded(list[tuple[object, ...]]):
    """A fake's ``writes``: what is to be written is noted first, which a guard may refuse."""

    def __init__(self, guard: WriteGuard) -> None:
        super().__init__()
        self._guard = guard

    @override
    def append(self, item: tuple[object, ...]) -> None:
        self._guard()
        super().append(item)


class MemoryKafka:
    """Implements ``installations.SharedKafka`` over the fakes; the guard of the operator that came last counts."""

    def __init__(self) -> None:
        self._topics, self._acls, self._users = FakeTopics(), FakeAcls(), FakeScramUsers()
        self._offsets, self._quotas, self._log = FakeOffsets(self._topics), FakeClientQuotas(), FakePolicyLog()
        self._registry = FakeSchemaRegistry()

    @property
    def bootstrap_servers(self) -> str:
        return "broker:9092"

    def connect(self, settings: OperatorSettings, guard: WriteGuard) -> Backends:  # noqa: ARG002  # one of any name
        fakes: tuple[Any, ...] = (
            self._topics,
            self._acls,
            self._users,
            self._offsets,
            self._quotas,
            self._log,
            self._registry,
        )
        for fake in fakes:
            fake.writes = Guarded(guard)
        return Backends(
            self._topics,
            self._acls,
            self._users,
            FakeLogins(self._users),
            self._offsets,
            self._quotas,
            self._log,
            FakeGateAcks(),
            self._registry,
            FakeLags(self._topics, self._offsets),
        )

    async def make(self, strangers: Mapping[str, str]) -> dict[str, str]:
        for number, (user, topic) in enumerate(strangers.items()):
            self._topics.topics[topic] = Topic(topic, 2, 1, {"retention.ms": "-1"}, f"id of {topic}")
            self._users.passwords[user] = f"password of {user}"
            self._acls.acls |= {
                Acl(f"User:{user}", "TOPIC", topic, "READ"),
                Acl(f"User:{user}", "GROUP", f"{user}.theirs", "READ"),
            }
            self._quotas.quotas[user] = {"producer_byte_rate": 100_000.0 + number}
            self._offsets.committed[f"{user}.theirs", topic, 0] = (1, "their own")
            await self._registry.register(f"{topic}-value", f'{{"type": "object", "title": "{number}"}}')
        return {user: self._users.passwords[user] for user in strangers}

    async def dump(self) -> Dump:
        """Return everything that there is now."""
        log = {name: [(key, each.value) for key, each in held.items()] for name, held in self._log.topics.items()}
        groups: dict[str, list[object]] = {}
        for (group, *place), offset in self._offsets.committed.items():
            groups.setdefault(group, []).append((place, offset))
        return {
            **{("topic", name): (each, log.get(name)) for name, each in self._topics.topics.items()},
            **{("user", name): password for name, password in self._users.passwords.items()},
            **{("acl", f"{acl.principal} {acl}"): True for acl in self._acls.acls},
            **{("quota", f"user={name}"): dict(own) for name, own in self._quotas.quotas.items() if own},
            **{("group", name): found for name, found in groups.items()},
            **{("subject", name): list(found) for name, found in self._registry.versions.items()},
        }
