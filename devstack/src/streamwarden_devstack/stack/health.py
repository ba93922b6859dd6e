"""Whether a background stack is there and answers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from streamwarden_kafka.connection import Connection

from streamwarden_devstack.stack.probes import kafka_answers, registry_answers

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from streamwarden_devstack.stack.background import Background

_TIMEOUT_S = 10.0
_BROKER = "Kafka            "


@dataclass(frozen=True, slots=True)
class Health:
    """What was found."""

    pid: int | None
    """Of the process that keeps the servers; ``None``: no stack runs."""
    bootstrap_servers: str
    registry_url: str
    kafka: bool
    """Every broker answered an authenticated request."""
    registry: bool | None
    """The registry listed its subjects; ``None``: there is none in this stack."""
    brokers: dict[str, bool] = field(default_factory=dict)
    """Which of them answered, by address."""

    @property
    def healthy(self) -> bool:
        """Everything that should be there answers."""
        return self.pid is not None and self.kafka and self.registry is not False

    def describe(self) -> str:
        """Say it in lines."""
        if self.pid is None:
            return "no stack runs here; start one with 'streamwarden stack up'"
        registry = "none" if self.registry is None else f"{_word(self.registry)} at {self.registry_url}"
        kafka = "\n".join(f"{_BROKER}{_word(answers)} at {address}" for address, answers in self.brokers.items())
        return f"{kafka}\nschema registry  {registry}"


async def check(background: Background) -> Health:
    """Ask both servers, for at most ten seconds; at once when they answer."""
    pid, state = background.pid(), background.state()
    if pid is None or state is None or state.phase != "ready":
        return Health(pid, "", "", kafka=False, registry=None)
    operator = Connection.read(background.librdkafka_properties)
    addresses = operator.bootstrap_servers.split(",")
    registry, *answers = await asyncio.gather(
        _in_time(registry_answers(state.registry_url)) if state.registry else _none(),
        *(_in_time(kafka_answers(replace(operator, bootstrap_servers=each))) for each in addresses),
    )
    brokers = {address: bool(answer) for address, answer in zip(addresses, answers, strict=True)}
    return Health(pid, state.bootstrap_servers, state.registry_url, all(answers), registry, brokers)


async def _in_time(answer: Awaitable[None]) -> bool:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            await answer
    except TimeoutError:
        return False
    return True


async def _none() -> None:
    return None


def _word(answers: bool) -> str:  # noqa: FBT001  # a private word for a fact
    return "answers" if answers else "does not answer"
