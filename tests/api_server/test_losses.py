"""What docs/operate.md has people do about losses: its own commands, a real cluster and Kafka, a real gate.

The tests of this module follow one another.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.names import InstallationNames
from support.operate_page import command, instead
from support.operated import KEY_SECRET, NAMES, NAMESPACE, SYSTEM, Operated, command_in, operated
from support.stack_fixture import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.operator_process import OperatorProcess

pytestmark = pytest.mark.own_stack
POLICIES = NAMES.shared.policies
OFTEN = {"resync_interval": "0:00:05"}
LOST_TOPIC = "A shared topic is lost"
WRITTEN = (POLICIES, InstallationNames().guardrails, InstallationNames().inventory)
"""What the operator alone writes."""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """A cluster and a Kafka of this module's own, with an agent whose gate judges."""
    folder = tmp_path_factory.mktemp("losses")
    with running_stack(folder / "stack", registry=False) as stack, operated(stack, folder / "cluster") as made:
        made.apply()
        made.start(**OFTEN).wait_ready()
        made.until(made.is_ready)
        made.until(made.in_force)
        yield made


def lose_the_key(site: Operated) -> OperatorProcess:
    """Delete the Secret while no operator runs; return the next one, which waits."""
    site.stop_operator()
    site.server.kubectl("delete", "secret", KEY_SECRET, "-n", SYSTEM)
    operator = site.start(**OFTEN)
    site.until(lambda: "waiting for the signing key" in operator.text())
    site.until(lambda: site.events("SigningKeyLost"))
    return operator


def edit_policy(site: Operated, least: float) -> None:
    rules = [{"name": "confident", "require": f"decision.confidence >= {least}"}]
    patch = json.dumps({"spec": {"rules": rules}})
    site.server.kubectl("patch", "policy.streamwarden.io", "confident", "-n", NAMESPACE, "--type=merge", "-p", patch)


def judged_above(site: Operated, epoch: int) -> bool:
    return site.in_force() and site.last_ack().namespace_epoch > epoch


@pytest.mark.long
def test_x83_a_lost_key_stops_the_operator_and_no_gate_and_the_backup_brings_it_back(installation: Operated) -> None:
    site = installation
    site.person.run(command("Backup", "jq"))
    epoch, (key,) = site.last_ack().namespace_epoch, site.last_ack().key_ids
    operator = lose_the_key(site)
    ends = {topic: site.kafka.end_offsets(topic) for topic in WRITTEN}
    edit_policy(site, 0.6)
    site.propose(5)
    site.check_judged()
    assert f"policy logs are signed by {key}" in site.events("SigningKeyLost")[-1]
    assert not operator.ready()
    # Created, or counted again: where Kafka gave no answer for a moment, the same words come once more.
    assert {what.split()[1] for _, what in site.server.writes(operator.user_agent)} == {"events"}
    assert {topic: site.kafka.end_offsets(topic) for topic in WRITTEN} == ends
    assert site.last_ack().namespace_epoch == epoch

    site.person.run(command("A lost key", "apply"))
    operator.wait_ready()
    site.until(partial(judged_above, site, epoch))
    assert site.last_ack().key_ids == (key,)
    kept = site.get("secret", KEY_SECRET, SYSTEM)["metadata"]
    assert "kubectl.kubernetes.io/last-applied-configuration" not in kept.get("annotations", {})
    site.propose()
    site.check_judged()


@pytest.mark.long
def test_x83_a_lost_policy_topic_is_made_again_when_people_say_so_above_what_gates_have_seen(
    installation: Operated,
) -> None:
    site = installation
    epoch, lost = site.last_ack().namespace_epoch, site.topic_id(POLICIES)
    site.kafka.delete_topics(POLICIES)
    site.until(lambda: site.events("SharedTopicLost", NAMESPACE))
    told = f"deleted, or made again by somebody else: {POLICIES} (id {lost})"
    assert told in site.person.run(command(LOST_TOPIC, "get events"))
    site.propose(3)
    assert POLICIES not in site.kafka.admin.list_topics().topics
    asked = instead(command(LOST_TOPIC, "accept-loss"), "nM5cJ1oURIe0XyQx1v3JwA", lost)
    assert {command_in(said) for said in site.events("SharedTopicLost", NAMESPACE)} == {asked}
    site.person.run(asked)
    site.until(partial(judged_above, site, epoch))
    assert site.topic_id(POLICIES) != lost
    site.until(site.is_ready)
    site.propose()
    site.check_judged()


@pytest.mark.long
def test_x83_who_begins_anew_without_the_key_goes_on_above_what_it_signed(installation: Operated) -> None:
    site = installation
    epoch, (lost,) = site.last_ack().namespace_epoch, site.last_ack().key_ids
    operator = lose_the_key(site)
    asked = instead(command("A lost key", "begin-anew"), "5ca509192950fcfd", lost)
    assert command_in(site.events("SigningKeyLost")[-1]) == asked
    site.propose()
    site.person.run(asked)
    operator.wait_ready()
    site.until(partial(judged_above, site, epoch))
    (new,) = site.last_ack().key_ids
    assert new != lost
    site.until(site.is_ready)
    site.propose()
    site.check_judged()
    assert site.gates.starts == list(site.gates.processes)
