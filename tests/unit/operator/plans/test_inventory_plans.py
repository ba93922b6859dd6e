"""What of Kafka is ours: every combination of what is known."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamwarden_contract.inventory import InstallationItem, Item, NamespaceItem, Stage, UserItem
from streamwarden_contract.policylog import KEY_ID_HEADER, SIGNATURE_HEADER
from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.plans.inventory import (
    Ownership,
    Signers,
    find_signers,
    left_over,
    namespaces_with_users,
    own_namespace,
    own_user,
    signed_by_another,
    verify_inventory,
)
from streamwarden_operator.plans.signed_records import sign_record
from streamwarden_operator.ports import SignedRecord

TOPIC, CLUSTER = "streamwarden.inventory", "cluster-1"
KEYS, OTHERS = PublisherKeys(HeldKeys(SigningKey.create())), PublisherKeys(HeldKeys(SigningKey.create()))


def user(agent: str = "guard", namespace: str = "risk", stage: Stage = Stage.MADE) -> UserItem:
    name = f"{namespace}.{agent}.gate"
    return UserItem(user=name, namespace=namespace, agent=agent, owner_uid="uid", stage=stage)


def signed(item: UserItem | InstallationItem, keys: PublisherKeys = KEYS, topic: str = TOPIC) -> SignedRecord:
    return sign_record(item, topic=topic, cluster_id=CLUSTER, signer=keys)


def test_records_signed_by_us_are_taken_and_others_named_by_their_key() -> None:
    ours, theirs = signed(user()), signed(user("ghost"), OTHERS)
    state = verify_inventory(
        {record.key: record for record in (ours, theirs)}, topic=TOPIC, cluster_id=CLUSTER, verifier=KEYS
    )
    assert dict(state.items) == {"user/risk.guard.gate": user()}
    assert state.foreign == {OTHERS.key_id}
    assert state.refused == {"user/risk.ghost.gate": f"signed by the key {OTHERS.key_id!r}"}


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(SignedRecord(b"user/risk.guard.gate", user().encode()), id="without-a-signature"),
        pytest.param(signed(user(), topic="other.inventory"), id="copied-from-another-topic"),
        pytest.param(
            SignedRecord(b"user/risk.guard.gate", user("ghost").encode(), signed(user()).headers), id="altered"
        ),
        pytest.param(
            SignedRecord(b"user/risk.guard.gate", user().encode(), signed(user()).headers * 2), id="with-headers-twice"
        ),
    ],
)
def test_what_bears_our_name_and_not_our_signature_is_neither_ours_nor_another_installation_s(
    record: SignedRecord,
) -> None:
    state = verify_inventory({record.key: record}, topic=TOPIC, cluster_id=CLUSTER, verifier=KEYS)
    assert (dict(state.items), state.foreign, list(state.refused)) == ({}, frozenset(), ["user/risk.guard.gate"])
    assert signed_by_another(record, topic=TOPIC, cluster_id=CLUSTER, verifier=KEYS) == ""


def test_a_user_is_ours_where_it_was_made_or_our_secret_opens_it_and_new_only_where_there_is_none() -> None:
    found = {
        (stage, exists, logs_in): own_user(None if stage is None else user(stage=stage), exists=exists, logs_in=logs_in)
        for stage, exists, logs_in in product([None, Stage.INTENT, Stage.MADE], [True, False], [True, False])
        if exists or not logs_in
    }
    assert found == {
        (None, True, True): Ownership.OURS,
        (None, True, False): Ownership.FOREIGN,
        (None, False, False): Ownership.NEW,
        (Stage.INTENT, True, True): Ownership.OURS,
        (Stage.INTENT, True, False): Ownership.FOREIGN,
        (Stage.INTENT, False, False): Ownership.NEW,
        (Stage.MADE, True, True): Ownership.OURS,
        (Stage.MADE, True, False): Ownership.OURS,
        (Stage.MADE, False, False): Ownership.OURS,
    }


def test_a_namespace_is_ours_where_we_made_or_signed_its_policy_topic() -> None:
    def owner(stage: Stage | None, *, exists: bool, ours: bool = False, strangers: tuple[str, ...] = ()) -> Ownership:
        item = None if stage is None else NamespaceItem(namespace="risk", stage=stage)
        return own_namespace(item, Signers(ours=ours, strangers=frozenset(strangers)) if exists else None)

    assert owner(None, exists=False) is Ownership.NEW
    assert owner(None, exists=True) is Ownership.FOREIGN  # empty: nobody knows whose it is
    assert owner(None, exists=True, strangers=("k",)) is Ownership.FOREIGN
    assert owner(None, exists=True, ours=True) is Ownership.OURS  # from before there were inventories
    assert owner(None, exists=True, ours=True, strangers=("k",)) is Ownership.OURS  # who writes on it gets nothing
    assert owner(Stage.INTENT, exists=False) is Ownership.NEW
    assert owner(Stage.INTENT, exists=True) is Ownership.OURS  # a crash after we had made it
    assert owner(Stage.INTENT, exists=True, strangers=("k",)) is Ownership.FOREIGN  # another one was faster
    assert owner(Stage.MADE, exists=False) is Ownership.OURS
    assert owner(Stage.MADE, exists=True, strangers=("k",)) is Ownership.OURS


names = st.sampled_from(["a", "b", "c"])


@given(
    items=st.lists(st.builds(user, names, names, st.sampled_from(Stage)), max_size=8),
    namespace=names,
    living=st.sets(names),
)
def test_only_users_of_the_namespace_s_agents_that_are_no_more_are_left_over(
    items: list[UserItem], namespace: str, living: set[str]
) -> None:
    found = left_over(items, namespace, living)
    assert set(found) <= set(items)
    for item in items:
        assert (item in found) is (item.namespace == namespace and item.agent not in living)


def test_namespaces_are_looked_at_only_where_they_are_watched() -> None:
    items: list[Item] = [
        InstallationItem(installation="streamwarden"),
        user(namespace="risk"),
        user(namespace="billing"),
    ]
    assert namespaces_with_users(items, lambda _: True) == ("billing", "risk")
    assert namespaces_with_users(items, lambda namespace: namespace == "risk") == ("risk",)


@pytest.mark.parametrize(
    "named",
    [
        pytest.param(((KEY_ID_HEADER, b"5ca509192950fcfd"),), id="X80-without-a-signature"),
        pytest.param(
            ((SIGNATURE_HEADER, b"s" * 64), *[(KEY_ID_HEADER, b"5ca509192950fcfd")] * 2), id="X80-named-twice"
        ),
    ],
)
def test_who_names_a_lost_key_as_no_operator_does_proves_nothing(named: tuple[tuple[str, bytes], ...]) -> None:
    keys = PublisherKeys(HeldKeys(SigningKey.create(), abandoned=frozenset({"5ca509192950fcfd"})))
    found = find_signers([SignedRecord(b"epoch", b"{}", named)], topic="t", cluster_id="c", verifier=keys)
    assert found == Signers()
