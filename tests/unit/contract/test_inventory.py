"""Records of the inventory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract import canonical, inventory
from streamwarden_contract.errors import InventoryError
from streamwarden_contract.inventory import (
    InstallationItem,
    Item,
    NamespaceItem,
    Stage,
    SubjectItem,
    TopicItem,
    UserItem,
    decode_item,
)

USER = UserItem(user="risk.guard.gate", namespace="risk", agent="guard", owner_uid="5f0c", stage=Stage.MADE)
TOPIC = TopicItem(
    topic="risk.urls",
    namespace="risk",
    contract="urls",
    owner_uid="5f0c",
    topic_id="a1",
    config=("cleanup.policy", "retention.ms"),
    adopted="set retention.ms=1 (was -1)",
    stage=Stage.MADE,
)
SUBJECT = SubjectItem(subject="risk.urls-value", namespace="risk", contract="urls", owner_uid="5f0c", stage=Stage.MADE)
ITEMS = [
    pytest.param(InstallationItem(installation="streamwarden", kubernetes_uid="9a"), "installation", id="installation"),
    pytest.param(NamespaceItem(namespace="risk", stage=Stage.INTENT), "namespace/risk", id="a-namespace"),
    pytest.param(USER, "user/risk.guard.gate", id="a-user"),
    pytest.param(TOPIC, "topic/risk.urls", id="a-topic"),
    pytest.param(SUBJECT, "subject/risk.urls-value", id="a-subject"),
]


@pytest.mark.parametrize(("item", "key"), ITEMS)
def test_what_is_written_is_read_back(item: Item, key: str) -> None:
    assert item.key == key
    assert decode_item(key.encode(), item.encode()) == item


def test_what_a_newer_operator_says_besides_is_passed_over() -> None:
    said = {**USER.model_dump(mode="json"), "quota": 5}
    assert decode_item(USER.key.encode(), canonical.encode(said)) == USER


@pytest.mark.parametrize(
    ("key", "changes", "problem"),
    [
        pytest.param("user/risk.guard.gate", {"format": 2}, "format: Input should be 1", id="a-later-format"),
        pytest.param("user/risk.guard.gate", {"stage": "Sold"}, "stage: Input should be", id="a-later-stage"),
        pytest.param("user/risk.guard.agent", {}, "the record says that it is user/risk.guard.gate", id="another-key"),
        pytest.param("quota/risk.urls", {}, "unknown key 'quota/risk.urls'", id="a-later-kind"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(key: str, changes: dict[str, object], problem: str) -> None:
    said = {**USER.model_dump(mode="json"), **changes}
    with pytest.raises(InventoryError) as refused:
        decode_item(key.encode(), canonical.encode(said))
    assert problem in str(refused.value)


@given(key=st.binary(max_size=40), value=st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(key: bytes, value: bytes) -> None:
    try:
        item = decode_item(key, value)
    except InventoryError:
        return
    assert item.key.encode() == key


def test_keys_of_things_of_one_name_differ() -> None:
    made = (inventory.user_key, inventory.namespace_key, inventory.topic_key, inventory.subject_key)
    assert len({*(key("a") for key in made), inventory.INSTALLATION_KEY}) == 5
