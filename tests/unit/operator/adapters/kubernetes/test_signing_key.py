"""The signing keys in their Secret: never made anew in silence (X83), and replaced in steps that are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from streamwarden_operator.adapters.kubernetes.errors import AbsentError
from streamwarden_operator.adapters.kubernetes.secrets import SecretStore
from streamwarden_operator.adapters.kubernetes.signing_key import (
    KubernetesSigningKeys,
    keep_signing_key,
    read_keys,
    write_keys,
)
from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.errors import CannotGoOnError, ConflictError, InvalidSpecError, SigningKeyLostError
from streamwarden_operator.ports import KeyIds, RotationAsked
from support.key_fakes import FakeKeptSecrets

LOST = SigningKey.create().key_id
ROTATE = "streamwarden.io/rotate-key"


async def signed_by_a_lost_key() -> frozenset[str]:
    return frozenset({LOST})


def keys_in(secrets: FakeKeptSecrets) -> HeldKeys:
    return read_keys(secrets.data or {}, "streamwarden")


async def test_x83_a_lost_key_is_not_made_anew_and_the_error_says_how_to_go_on() -> None:
    secrets = FakeKeptSecrets()
    with pytest.raises(SigningKeyLostError) as lost:
        await keep_signing_key(secrets.store, "ops", signers=signed_by_a_lost_key)
    assert secrets.data is None
    assert "Put the Secret back from its backup" in str(lost.value)
    assert f"kubectl annotate namespace ops --overwrite streamwarden.io/begin-anew={LOST}" in str(lost.value)


async def test_x83_another_key_is_made_where_people_begin_anew_without_just_that_one() -> None:
    secrets = FakeKeptSecrets()
    missed = "streamwarden.io/begin-anew says 'an earlier loss' now, which is something else. Say so: kubectl annotate"
    with pytest.raises(SigningKeyLostError, match=missed):
        await keep_signing_key(
            secrets.store, "ops", signers=signed_by_a_lost_key, begin_anew=frozenset({"an earlier loss"})
        )
    made = await keep_signing_key(secrets.store, "ops", signers=signed_by_a_lost_key, begin_anew=frozenset({LOST}))
    assert (made.keys.abandoned, made.keys.knows(LOST)) == (frozenset({LOST}), True)
    again = await keep_signing_key(secrets.store, "ops")
    assert (again.key_id, again.keys.abandoned) == (made.key_id, frozenset({LOST}))


async def test_the_first_start_makes_a_key_and_the_next_one_reads_it() -> None:
    secrets = FakeKeptSecrets()
    made = await keep_signing_key(secrets.store, "ops")
    assert (await keep_signing_key(secrets.store, "ops")).key_id == made.key_id


async def test_x83_a_secret_with_another_key_may_be_told_to_begin_anew() -> None:
    secrets = FakeKeptSecrets(write_keys(HeldKeys(SigningKey.create())))
    secrets.shown = {"streamwarden.io/key-rotation": "waits"}
    found = await keep_signing_key(secrets.store, "ops", begin_anew=frozenset({LOST}))
    assert found.keys.abandoned == keys_in(secrets).abandoned == {LOST}
    assert secrets.shown == {"streamwarden.io/key-rotation": "waits"}


async def test_a_secret_of_an_earlier_version_is_read() -> None:
    key = SigningKey.create()
    found = await keep_signing_key(FakeKeptSecrets({"private-key.pem": key.private_pem().decode()}).store, "ops")
    assert found.ids == KeyIds(key.key_id)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="no-key"),
        pytest.param({"private-key.pem": "x"}, id="no-pem"),
        pytest.param({"keys.json": "{"}, id="no-json"),
        pytest.param({"keys.json": '{"previous": "AAAA"}'}, id="no-public-key"),
    ],
)
async def test_what_is_no_key_is_left_as_it_is(data: dict[str, str]) -> None:
    whole = data if len(data) != 1 or "keys.json" not in data else write_keys(HeldKeys(SigningKey.create())) | data
    secrets = FakeKeptSecrets(whole)
    with pytest.raises(InvalidSpecError):
        await keep_signing_key(secrets.store, "ops", begin_anew=frozenset({LOST}))
    assert secrets.data == whole


class Rotation:
    """A key that was made on the 1st of January, and the time."""

    def __init__(self, longest: timedelta | None = None) -> None:
        self.first = SigningKey.create()
        self.secrets = FakeKeptSecrets(write_keys(HeldKeys(self.first)))
        self.now = datetime(2026, 1, 2, tzinfo=UTC)
        keys = PublisherKeys(keys_in(self.secrets))
        self.keys = KubernetesSigningKeys(self.secrets.store, "ops", keys, longest=longest, clock=lambda: self.now)


async def test_x83_each_step_of_a_rotation_is_kept_and_two_keys_are_valid_meanwhile() -> None:
    made = Rotation()
    first = made.first.key_id
    await made.keys.add_following()
    second = made.keys.ids.following
    assert made.keys.ids == KeyIds(first, following=second)
    assert all(key in made.keys.keys.public_keys_json() for key in (first, second))
    await made.keys.sign_with_following()
    assert made.keys.ids == KeyIds(second, previous=first)
    assert all(key in made.keys.keys.public_keys_json() for key in (first, second))
    await made.keys.retire_previous()
    assert made.keys.ids == KeyIds(second)
    assert first not in made.keys.keys.public_keys_json()
    assert made.keys.keys.verify(first, made.first.sign(b"x"), b"x")  # a log that is restored
    kept = PublisherKeys(keys_in(made.secrets))
    assert (kept.ids, kept.knows(first)) == (made.keys.ids, True)
    assert repr(keys_in(made.secrets)).count("PRIVATE") == 0


async def test_x83_each_new_value_of_the_annotation_asks_for_one_rotation() -> None:
    made = Rotation()
    assert (await made.keys.rotation_asked()).due == ""
    made.secrets.annotations[ROTATE] = "spring"
    assert (await made.keys.rotation_asked()).due == "asked for by the annotation streamwarden.io/rotate-key='spring'"
    await made.keys.add_following()
    assert (await made.keys.rotation_asked()).due == ""
    made.secrets.annotations[ROTATE] = "summer"
    assert (await made.keys.rotation_asked()).due


async def test_gates_that_a_rotation_is_to_leave_behind_are_named_on_the_secret() -> None:
    made = Rotation()
    made.secrets.annotations["streamwarden.io/rotate-without"] = "risk/guard-0, risk/guard-1,"
    assert await made.keys.rotation_asked() == RotationAsked(without=frozenset({"risk/guard-0", "risk/guard-1"}))


async def test_x83_a_key_is_replaced_by_its_age() -> None:
    made = Rotation(longest=timedelta(days=90))
    assert (await made.keys.rotation_asked()).due == ""
    made.now += timedelta(days=90)
    assert (await made.keys.rotation_asked()).due == "the key is 91 days old"
    await made.keys.add_following()
    await made.keys.sign_with_following()
    await made.keys.retire_previous()
    assert (await made.keys.rotation_asked()).due == ""


async def test_where_a_rotation_stands_is_shown_and_taken_away() -> None:
    made = Rotation()
    made.secrets.annotations[ROTATE] = "spring"
    await made.keys.show("2 of 3 gates")
    assert made.secrets.shown == {"streamwarden.io/key-rotation": "2 of 3 gates"}
    version = made.secrets.version
    await made.keys.show("2 of 3 gates")
    assert made.secrets.version == version
    await made.keys.show("")
    assert (made.secrets.shown, made.secrets.annotations) == ({}, {ROTATE: "spring"})


async def test_x83_a_secret_that_is_deleted_while_its_key_signs_is_put_back() -> None:
    made = Rotation()
    made.secrets.data = None
    await made.keys.rotation_asked()
    assert keys_in(made.secrets).signing.key_id == made.first.key_id


async def test_x83_another_key_in_the_secret_ends_the_process() -> None:
    made = Rotation()
    made.secrets.data = write_keys(HeldKeys(SigningKey.create()))
    with pytest.raises(CannotGoOnError, match="no longer has the key"):
        await made.keys.rotation_asked()


async def test_a_secret_that_is_deleted_while_it_is_changed_is_a_conflict_and_no_defect() -> None:
    class Gone:
        async def patch(self, request: object, *_: Any, **__: Any) -> None:
            raise AbsentError(str(request))

    store = SecretStore(cast("Any", Gone()))
    with pytest.raises(ConflictError, match="deleted meanwhile"):
        await store.write_kept("ops", "streamwarden-signing-key", {"keys.json": "{}"}, {}, "7")
