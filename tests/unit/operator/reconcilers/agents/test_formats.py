"""What an agent is told of the formats that its gates read."""

from dataclasses import replace

from streamwarden_contract.acks import ReadFormats
from streamwarden_operator.desired.workload import read_formats
from streamwarden_operator.keys import Key, key_of
from support.operator_harness import running, whole_namespace
from support.policy_fakes import ack_of


def test_formats_that_nobody_can_read_are_the_first() -> None:
    assert [read_formats(text).decision for text in ("", "{", '{"decision":0}', '{"decision":2}')] == [1, 1, 1, 2]


async def test_what_an_agent_was_told_of_formats_stays_until_its_gates_are_known_and_while_none_run() -> None:
    newer = ReadFormats(decision=2)
    async with running(*whole_namespace()) as harness:

        def told() -> str:
            return harness.cluster.workloads["risk", "guard"].formats

        async def say(pod: str, **said: object) -> str:
            harness.acks.say(ack_of(harness.binding(), pod, **said))
            await harness.settle()
            return told()

        two = '{"decision":2}'
        assert await say("pod-0", formats=newer) == two
        assert await say("pod-0", formats=newer, state="Stopped") == two, "at zero"
        await harness.controller.stop()
        harness.acks.acks.clear()
        harness.acks.unread.add("risk")
        harness.controller = harness.new_controller()
        for resource in whole_namespace():
            harness.controller.changed(key_of(resource))
        await harness.controller.start()
        harness.controller.caches_complete()
        await harness.settle()
        assert told() == two, "a new process has read nothing yet"
        assert await say("pod-2") == two, "nor all"
        harness.acks.read_all("risk")
        await harness.settle()
        assert told() == "", "an older gate runs"


async def test_who_takes_the_formats_of_an_agent_at_zero_away_may_start_gates_that_read_less() -> None:
    async with running(*whole_namespace()) as harness:
        for state in ("InForce", "Stopped"):
            harness.acks.say(ack_of(harness.binding(), state=state, formats=ReadFormats(decision=2)))
            await harness.settle()
        where = ("risk", "guard")
        harness.cluster.workloads[where] = replace(harness.cluster.workloads[where], formats="")
        harness.controller.add(Key("AgentDeployment", *where))
        await harness.settle()
        assert harness.cluster.workloads[where].formats == ""


async def test_a_new_gate_alone_raises_no_format_while_acks_are_still_being_read() -> None:
    async with running(*whole_namespace()) as harness:
        harness.acks.unread.add("risk")
        harness.acks.say(ack_of(harness.binding(), "pod-1", formats=ReadFormats(decision=2)))
        await harness.settle()
        assert harness.cluster.workloads["risk", "guard"].formats == ""
        harness.acks.read_all("risk")
        await harness.settle()
        assert harness.cluster.workloads["risk", "guard"].formats == '{"decision":2}'
