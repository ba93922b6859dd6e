"""With an agent's own credentials and exactly its ACLs, a real broker refuses every way round the gate."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.bypass.attempts import Answer, Target, build_attempts, run_attempts
from streamwarden_cli.bypass.intruder import Intruder
from streamwarden_contract.names import AgentNames, InstallationNames
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_operator.adapters.kafka.acls import KafkaAcls
from streamwarden_operator.adapters.kafka.scram import KafkaScramUsers
from streamwarden_operator.adapters.kafka.topics import KafkaTopics
from streamwarden_operator.desired.acls import agent_acls, gate_acls
from streamwarden_operator.desired.topics import build_decision_topic, build_guardrail_topic, build_shared_topics
from streamwarden_operator.ports import AclPlan, Topic, TopicPlan

if TYPE_CHECKING:
    from streamwarden_kafka.connection import Connection
    from support.stack_fixture import RunningStack

INSTALLATION = InstallationNames()

PASSWORD = "of-the-agent"
AGENT = AgentNames("bypass", "guard")
OTHER = AgentNames("bypass", "blocker")
INPUT, COMMANDS = "bypass.pages", "bypass.blocks"
TARGET = Target(AGENT, (COMMANDS,), (OTHER,))
ATTEMPTS = build_attempts(TARGET)


async def _set_up(operator: Connection) -> None:
    admin = KafkaAdmin(operator)
    wanted = [
        Topic(INPUT, 1),
        Topic(COMMANDS, 1),
        *build_shared_topics(AGENT.shared),
        *(build_decision_topic(names, partitions=1) for names in (AGENT, OTHER)),
        build_guardrail_topic(INSTALLATION),
    ]
    topics = KafkaTopics(admin)
    there = await topics.observe([topic.name for topic in wanted])
    await asyncio.gather(
        *(topics.apply(topic.name, TopicPlan(create=topic)) for topic in wanted if topic.name not in there)
    )
    acls = agent_acls(AGENT, [INPUT]) | gate_acls(INSTALLATION, AGENT, [COMMANDS])
    given = acls | agent_acls(OTHER, [COMMANDS]) | gate_acls(INSTALLATION, OTHER, [])
    rights, users = KafkaAcls(admin), KafkaScramUsers(admin)
    await rights.apply(AclPlan(add=given))
    await users.upsert(AGENT.agent_principal, PASSWORD)
    await asyncio.gather(rights.close(), users.close())


@pytest.fixture(scope="module")
def intruder(stack: RunningStack) -> Connection:
    """Give the agent's connection; its topics, users and ACLs are as the operator makes them."""
    asyncio.run(_set_up(stack.operator))
    return stack.operator.as_user(AGENT.agent_principal, PASSWORD)


@pytest.fixture(scope="module")
def answers(intruder: Connection) -> dict[str, Answer]:
    return {answer.attempt: answer for answer in run_attempts(ATTEMPTS, intruder)}


@pytest.mark.parametrize("attempt", [attempt.name for attempt in ATTEMPTS])
def test_an_agent_cannot(attempt: str, answers: dict[str, Answer]) -> None:
    answer = answers[attempt]

    assert answer.refused, answer.code


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(partial(Intruder.write, topic=AGENT.decisions), id="write-its-own-decisions"),
        pytest.param(partial(Intruder.read, topic=INPUT, group=AGENT.agent_group), id="read-its-input"),
        pytest.param(partial(Intruder.join, group=AGENT.agent_group, topic=INPUT), id="join-its-own-group"),
        pytest.param(
            partial(Intruder.fence, transactional_id=AGENT.agent_transactional_id("guard-0")),
            id="use-its-own-transactional-id",
        ),
    ],
)
def test_what_an_agent_may_do_is_seen_as_done(act: partial[None], intruder: Connection) -> None:
    """Else refusals would prove nothing: the same code, with the same credentials, gets through where it may."""
    act(Intruder(intruder))
