"""The signing key over the whole controller: rotated, lost, and logs that go on above what gates have seen (X83)."""

from __future__ import annotations

import json
from functools import partial

from streamwarden_contract.audit import ChainHead
from streamwarden_operator.adapters.kubernetes.signing_key import KubernetesSigningKeys, write_keys
from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.keys import Key
from streamwarden_operator.ports import Topic
from support.key_fakes import GUARDRAILS, OWN, FakeKeptSecrets, epoch_of, say_epochs
from support.operator_harness import Harness, agent, conditions_of, policy, running, until, whole_namespace

INVENTORY = "streamwarden.inventory"
ROTATE = Key("SigningKey", "streamwarden")


def signers(harness: Harness) -> dict[str, set[str]]:
    return {
        topic: {dict(record.headers)["sw-key-id"].decode() for record in records.values()}
        for topic, records in harness.log.topics.items()
    }


def keep_in(secrets: FakeKeptSecrets, harness: Harness) -> None:
    """Keep the harness' signing keys in a Secret."""
    secrets.data = write_keys(harness.keys.held)
    harness.key_store = KubernetesSigningKeys(secrets.store, "streamwarden", harness.keys)


def all_by(key_id: str) -> dict[str, set[str]]:
    return {topic: {key_id} for topic in (OWN, GUARDRAILS, INVENTORY)}


async def test_x83_a_rotation_signs_every_log_anew_and_no_gate_is_ever_without_its_key() -> None:
    secrets = FakeKeptSecrets()
    async with running(*whole_namespace(), prepare=partial(keep_in, secrets)) as harness:
        old = harness.keys.key_id
        say_epochs(harness, old)
        await harness.settle()
        bytes_before = {key: record.value for key, record in harness.log.topics[OWN].items()}

        def pods_keys() -> set[str]:
            return set(json.loads(harness.cluster.workloads["risk", "guard"].public_keys))

        secrets.annotations["streamwarden.io/rotate-key"] = "now"
        harness.controller.add(ROTATE)
        await until(lambda: len(pods_keys()) == 2)
        new = harness.keys.ids.following
        assert signers(harness) == all_by(old)

        harness.controller.add(ROTATE)
        await until(lambda: "0 of 1 gates know" in secrets.shown["streamwarden.io/key-rotation"])
        say_epochs(harness, old, new)
        harness.controller.add(ROTATE)
        await until(lambda: signers(harness) == all_by(new))
        assert pods_keys() == {old, new}
        after = {key: record.value for key, record in harness.log.topics[OWN].items()}
        assert {key for key in after if after[key] != bytes_before[key]} == {b"epoch"}

        harness.controller.add(ROTATE)
        await until(lambda: "0 of 1 gates have in force" in secrets.shown["streamwarden.io/key-rotation"])
        say_epochs(harness, old, new)
        harness.controller.add(ROTATE)
        await until(lambda: pods_keys() == {new})
        assert secrets.shown == {}
        told = [event.reason for event in harness.cluster.events if event.key == ROTATE]
        assert list(dict.fromkeys(told)) == ["KeyRotationBegun", "KeyRotationWaits", "KeySigns", "KeyRotated"]
        assert conditions_of(harness.get(agent()))["Accepted"][0] == "True"


async def test_x83_a_rotation_goes_on_without_the_gate_that_people_name_and_tells_of_it() -> None:
    secrets = FakeKeptSecrets()
    async with running(*whole_namespace(), prepare=partial(keep_in, secrets)) as harness:
        old = harness.keys.key_id
        say_epochs(harness, old)
        (gate,) = harness.acks.of_namespace("risk")
        await harness.settle()
        secrets.annotations["streamwarden.io/rotate-key"] = "now"
        harness.controller.add(ROTATE)
        await until(lambda: f"Waits for risk/{gate.pod}" in secrets.shown.get("streamwarden.io/key-rotation", ""))
        assert signers(harness) == all_by(old)
        secrets.annotations["streamwarden.io/rotate-without"] = f"risk/{gate.pod}"
        harness.controller.add(ROTATE)
        await until(lambda: harness.keys.ids.previous == old)
        new = harness.keys.key_id
        await until(lambda: signers(harness) == all_by(new))
        harness.controller.add(ROTATE)
        await until(lambda: json.loads(harness.cluster.workloads["risk", "guard"].public_keys).keys() == {new})
        said = {event.reason: event.message for event in harness.cluster.events if event.key == ROTATE}
        assert f"people have asked to wait no longer for risk/{gate.pod}" in said["KeySigns"]
        assert f"risk/{gate.pod}, left out as people have asked" in said["KeyRotated"]


async def test_x83_who_begins_anew_keeps_namespaces_and_goes_on_above_what_the_lost_key_signed() -> None:
    async with running(*whole_namespace()) as first:
        first.put(policy("strict", "1 < 2", generation=2))
        await first.settle()
        before, lost = epoch_of(first), first.keys.key_id

    second = Harness()
    for name in ("cluster", "topics", "acls", "users", "logins", "offsets", "quotas", "log"):
        setattr(second, name, getattr(first, name))
    second.keys = PublisherKeys(HeldKeys(SigningKey.create(), abandoned=frozenset({lost})))
    second.controller = second.new_controller()
    second.put(*whole_namespace())
    await second.controller.start()
    second.controller.caches_complete()
    try:
        await second.settle()
        assert epoch_of(second) > before
        assert signers(second)[OWN] == signers(second)[GUARDRAILS] == {second.keys.key_id}
        assert conditions_of(second.get(agent()))["AccessReady"][0] == "True"
    finally:
        await second.controller.stop()


async def test_x83_a_log_that_was_lost_goes_on_above_the_epochs_that_committed_offsets_tell() -> None:
    def judged(harness: Harness) -> None:
        harness.topics.topics["risk.guard.decisions"] = Topic("risk.guard.decisions", 3, 1, topic_id="dec")
        head = ChainHead(4, "a" * 64, namespace_epoch=41, guardrail_epoch=17).metadata("dec", 9)
        harness.offsets.committed["risk.guard.gate", "risk.guard.decisions", 1] = (9, head)
        harness.offsets.ends["risk.guard.decisions", 1] = (0, 9)

    async with running(*whole_namespace(), prepare=judged) as harness:
        assert (epoch_of(harness), epoch_of(harness, GUARDRAILS)) == (42, 18)


async def test_x83_lost_guardrails_go_on_above_what_a_gate_of_any_namespace_proves() -> None:
    async with running(*whole_namespace()) as harness:
        say_epochs(harness, harness.keys.key_id)
        await harness.settle()
        harness.log.topics[GUARDRAILS].clear()
        harness.controller._logs.published.pop("streamwarden")
        harness.controller.add(Key("PolicyLog", "streamwarden"))
        await harness.settle()
        assert epoch_of(harness, GUARDRAILS) == 2
