"""Keys as docs/operate.md has them: its own commands, a real cluster and Kafka, the operator and a gate as processes.

The tests of this module follow one another.
"""

from __future__ import annotations

import datetime as dt
import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from streamwarden_contract.policylog import EPOCH_KEY, EpochRecord, decode_record
from support.operate_page import command
from support.operated import KEY_SECRET, NAMES, SYSTEM, Operated, operated
from support.policy_log import SigningKey
from support.stack_fixture import running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streamwarden_contract.acks import GateAck

pytestmark = pytest.mark.own_stack
STEPS = ("KeyRotationBegun", "KeySigns", "KeyRotated")


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """A cluster and a Kafka of this module's own, with an agent whose gate judges."""
    folder = tmp_path_factory.mktemp("keys")
    with running_stack(folder / "stack", registry=False) as stack, operated(stack, folder / "cluster") as made:
        made.apply()
        made.start().wait_ready()
        made.until(made.is_ready)
        made.until(made.in_force)
        yield made


def keys_taken(site: Operated) -> list[set[str]]:
    """Return the ids of the keys that the gate took, one set after another."""
    said = [set(ack.key_ids) for ack in site.acks() if ack.state != "Starting"]
    return said[:1] + [after for before, after in pairwise(said) if after != before]


def rejected(site: Operated) -> list[GateAck]:
    """Return what gates have said when they refused something."""
    return [ack for ack in site.acks() if ack.state == "Rejected"]


def publish_as(site: Operated, old: SigningKey) -> None:
    """Close another epoch with a key of before, as somebody would who has got it."""
    topic = NAMES.shared.policies
    last = [each for each in site.kafka.read_all(topic) if each.key() == EPOCH_KEY.encode()][-1]
    record = decode_record(EPOCH_KEY.encode(), last.value() or b"")
    assert isinstance(record, EpochRecord)
    cluster_id = site.kafka.admin.list_topics().cluster_id
    following = record.model_copy(update={"epoch": record.epoch + 1})
    site.kafka.produce(topic, [old.signed(topic, following, cluster_id=cluster_id)])


@pytest.mark.long
def test_x83_the_key_is_replaced_by_the_page_s_command_and_no_decision_waits_for_it(installation: Operated) -> None:
    site = installation
    (old,) = site.last_ack().key_ids
    pem = site.secret()["private-key.pem"]
    look = command("Replacing the key", "get secret")
    said: list[str] = []

    def rotated() -> bool:
        site.propose()
        said.append(site.person.run(look))
        return bool(site.events("KeyRotated"))

    site.person.run(command("Replacing the key", "rotate-key"))
    site.until(rotated)
    site.until(lambda: old not in site.last_ack().key_ids)
    (new,) = site.last_ack().key_ids
    assert f"all 1 gates know the key {new}, and it signs now" in site.events("KeySigns")
    assert all(site.events(step) for step in STEPS)
    told = {message for step in (*STEPS, "KeyRotationWaits") for message in site.events(step)}
    assert set() < {found for found in said if found} <= told
    assert keys_taken(site) == [{old}, {old, new}, {new}]
    site.check_judged()
    assert rejected(site) == []
    assert site.gates.starts == list(site.gates.processes)

    private = load_pem_private_key(pem.encode(), None)
    assert isinstance(private, Ed25519PrivateKey)
    epoch = site.last_ack().namespace_epoch
    publish_as(site, SigningKey(old, private))
    site.until(lambda: rejected(site))
    refused = rejected(site)[0]
    assert (refused.reason, refused.namespace_epoch) == ("UnknownKey", epoch)
    site.propose(3)
    site.check_judged()


@pytest.mark.long
def test_x83_a_key_that_is_older_than_the_setting_is_replaced_unasked_and_once(installation: Operated) -> None:
    site = installation
    site.stop_operator()
    (old,) = site.last_ack().key_ids
    kept = json.loads(site.secret()["keys.json"])
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=91)
    aged = json.dumps({"stringData": {"keys.json": json.dumps({**kept, "since": since.isoformat()})}})
    site.server.kubectl("patch", "secret", KEY_SECRET, "-n", SYSTEM, "--type=merge", "-p", aged)
    site.start(signing_key_max_age="P90D").wait_ready()

    def rotated() -> bool:
        site.propose()
        return old not in site.last_ack().key_ids

    site.until(rotated)
    site.until(site.in_force)
    assert "the key is 91 days old: the next key is given to the gates" in site.events("KeyRotationBegun")
    assert len(keys_taken(site)) == 5
    assert len(json.loads(site.secret()["keys.json"])["retired"]) == 2
    site.check_judged()
    assert site.gates.starts == list(site.gates.processes)
