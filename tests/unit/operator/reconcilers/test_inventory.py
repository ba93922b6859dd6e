"""The inventory over a log of its own: whom it goes on with, and what it keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_contract.inventory import (
    INSTALLATION_KEY,
    MAX_LOST,
    InstallationItem,
    Item,
    NamespaceItem,
    Stage,
)
from streamwarden_contract.names import SYSTEM, InstallationNames
from streamwarden_contract.policylog import EpochRecord
from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.errors import CannotGoOnError
from streamwarden_operator.plans.signed_records import key_id_of, sign_record
from streamwarden_operator.ports import Topic
from streamwarden_operator.reconcilers.inventory import Inventory
from support.fakes import FakeTopics
from support.policy_fakes import FakePolicyLog
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamwarden_operator.plans.signed_records import Encodable
    from streamwarden_operator.ports import SignedRecord

NAMES = InstallationNames()
RISK = NamespaceItem(namespace="risk", stage=Stage.MADE)


def signed(topic: str, keys: PublisherKeys, *items: Encodable) -> dict[bytes, SignedRecord]:
    records = [sign_record(item, topic=topic, cluster_id="fake-cluster", signer=keys) for item in items]
    return {record.key: record for record in records}


def inventory_over(log: FakePolicyLog, keys: PublisherKeys) -> Inventory:
    topics = FakeTopics(*(Topic(name, 1, 1, {"cleanup.policy": "compact"}) for name in log.topics))
    return Inventory(log, topics, installation=NAMES, keys=keys)


async def test_what_an_earlier_key_signed_is_signed_anew_at_a_start() -> None:
    """A process that ended in the midst of a rotation would else leave records that are verified no more some day."""
    before, now = SigningKey.create(), SigningKey.create()
    log = FakePolicyLog()
    log.topics[NAMES.inventory] = signed(NAMES.inventory, PublisherKeys(HeldKeys(before)), RISK)
    inventory = inventory_over(log, PublisherKeys(HeldKeys(now, previous=before.public_key)))
    await inventory.open()
    assert inventory.namespace("risk") == RISK
    assert {key_id_of(record) for record in log.topics[NAMES.inventory].values()} == {now.key_id}


async def test_another_installations_guardrails_end_it_where_there_is_no_inventory_yet() -> None:
    theirs, ours = (PublisherKeys(HeldKeys(SigningKey.create())) for _ in range(2))
    log = FakePolicyLog()
    log.topics[NAMES.guardrails] = signed(NAMES.guardrails, theirs, EpochRecord(epoch=3, revision_counter=0))
    with pytest.raises(CannotGoOnError, match=theirs.key_id):
        await inventory_over(log, ours).open()
    assert (log.writes, set(log.topics)) == ([], {NAMES.guardrails})


class SignedMeanwhile(FakePolicyLog):
    """A log on which another one writes between the look, which fences nobody, and the read, which does."""

    def __init__(self, records: dict[bytes, SignedRecord]) -> None:
        super().__init__()
        self._records = records

    @override
    async def read(self, topic: str) -> Mapping[bytes, SignedRecord]:
        self.topics.setdefault(topic, {}).update(self._records)
        return await super().read(topic)


async def test_what_another_one_wrote_until_it_was_fenced_ends_it_too() -> None:
    theirs, ours = (PublisherKeys(HeldKeys(SigningKey.create())) for _ in range(2))
    log = SignedMeanwhile(signed(NAMES.inventory, theirs, InstallationItem(installation=SYSTEM)))
    with pytest.raises(CannotGoOnError, match=theirs.key_id):
        await inventory_over(log, ours).open()
    assert log.writes == []


@pytest.mark.parametrize("namespace", [SYSTEM, "risk"])
async def test_x84_of_lost_topics_the_last_ones_are_kept(namespace: str) -> None:
    log = FakePolicyLog()
    inventory = inventory_over(log, PublisherKeys(HeldKeys(SigningKey.create())))
    await inventory.open()
    await inventory.note([RISK])
    for number in range(MAX_LOST + 2):
        await inventory.note_topics(namespace, {"topic": f"id-{number + 1}"}, [f"id-{number}"])
    found: dict[str, Item] = {item.key: item for item in inventory.items}
    item = found[INSTALLATION_KEY if namespace == SYSTEM else RISK.key]
    assert isinstance(item, InstallationItem | NamespaceItem)
    assert (len(item.lost), item.lost[0], item.lost[-1]) == (MAX_LOST, "id-2", f"id-{MAX_LOST + 1}")
    assert inventory.topics_of(namespace) == {"topic": f"id-{MAX_LOST + 2}"}
