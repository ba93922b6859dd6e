"""When a password is replaced, and that both are valid meanwhile where brokers know two mechanisms (F42)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from streamwarden_kafka.connection import SCRAM_SHA_256, SCRAM_SHA_512, parse_properties
from streamwarden_operator.desired import credentials
from streamwarden_operator.desired.credentials import Credential, build_secret, find_credential
from streamwarden_operator.plans.credential_rotation import other_mechanism, passwords_beside, rotation_due

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
QUARTER = timedelta(days=90)


def made(days_ago: float, request: str = "") -> Credential:
    since = (NOW - timedelta(days=days_ago)).isoformat()
    return Credential("p", since=since, request=request)


@pytest.mark.parametrize(
    ("credential", "asked", "longest", "why"),
    [
        pytest.param(made(1000), "", None, "", id="F42-nobody-asks-and-no-age-is-said"),
        pytest.param(made(1), "spring", None, "asked for by the annotation", id="F42-a-new-value-asks"),
        pytest.param(made(1, "spring"), "spring", None, "", id="F42-the-same-value-asks-once"),
        pytest.param(made(1, "spring"), "", None, "", id="F42-an-annotation-that-is-gone-asks-for-nothing"),
        pytest.param(made(1, "spring"), "summer", None, "asked for by the annotation", id="F42-the-next-value-asks"),
        pytest.param(made(90), "", QUARTER, "made 2026-08-29", id="F42-it-has-the-age"),
        pytest.param(made(80.9), "", QUARTER, "", id="F42-it-has-not-come-to-the-last-tenth"),
        pytest.param(Credential("p"), "", QUARTER, "", id="F42-an-age-that-is-not-known-is-no-great-one"),
        pytest.param(Credential("p", since="2026-01-01"), "", QUARTER, "", id="F42-a-time-without-a-zone"),
        pytest.param(Credential("p", since="spring"), "", QUARTER, "", id="F42-a-time-that-is-none"),
    ],
)
def test_a_password_is_replaced(credential: Credential, asked: str, longest: timedelta | None, why: str) -> None:
    found = rotation_due(credential, asked, user="risk.guard.gate", longest=longest, now=NOW)
    assert (found.startswith(why), bool(found)) == (True, bool(why))


def test_f42_passwords_of_one_day_are_replaced_over_the_last_tenth_of_their_age_and_not_at_once() -> None:
    def days(user: str) -> int:
        aged = (day for day in range(100) if rotation_due(made(day), "", user=user, longest=QUARTER, now=NOW))
        return next(aged)

    when = [days(f"risk.agent-{number}.gate") for number in range(200)]
    assert (min(when), max(when)) == (82, 90)
    assert max(when.count(day) for day in set(when)) < 50


def test_f42_the_next_password_goes_by_the_other_mechanism_and_back() -> None:
    assert other_mechanism(SCRAM_SHA_512) == SCRAM_SHA_256
    assert other_mechanism(SCRAM_SHA_256) == SCRAM_SHA_512


@pytest.mark.parametrize(
    ("mechanism", "found", "beside"),
    [
        pytest.param(SCRAM_SHA_512, {SCRAM_SHA_512}, set(), id="F42-only-the-secret-s"),
        pytest.param(SCRAM_SHA_256, {SCRAM_SHA_512, SCRAM_SHA_256}, {SCRAM_SHA_512}, id="F42-the-one-before"),
        pytest.param(SCRAM_SHA_256, {SCRAM_SHA_512}, set(), id="F42-the-only-one-is-never-taken-away"),
        pytest.param(SCRAM_SHA_512, set(), set(), id="F42-none"),
    ],
)
def test_a_password_beside_the_secret_s(mechanism: str, found: set[str], beside: set[str]) -> None:
    assert passwords_beside(mechanism, found) == beside


@pytest.mark.parametrize(
    "credential",
    [
        Credential("p=w", SCRAM_SHA_256, "spring", "2026-11-27T12:00:00Z"),
        Credential("p", SCRAM_SHA_512, since="2026-11-27T12:00:00Z"),
        Credential("p", SCRAM_SHA_512),
    ],
    ids=["F42-all-of-it", "F42-an-age-alone", "F42-of-an-earlier-operator"],
)
def test_a_secret_remembers_what_it_was_made_for(credential: Credential) -> None:
    secret = build_secret("risk.guard.gate", credential, "b:1")
    assert find_credential(secret, "risk.guard.gate") == credential
    assert f"sasl.mechanism={credential.mechanism}\n" in secret["client.properties"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"request": 1}', "null", "[" * 100_000],
    ids=["none", "cut", "list", "number", "null", "deep"],
)
def test_f42_what_is_remembered_strangely_costs_nobody_a_password(text: str) -> None:
    secret = {**build_secret("u", Credential("p"), "b:1"), "rotation.json": text}
    assert find_credential(secret, "u") == Credential("p")


@pytest.mark.parametrize(
    "beside",
    ["\n" * 1_000_000, "a\n" * 500_000, "a=b\n" * 250_000, "sasl.password=p\n" * 60_000],
    ids=["X85-blank-lines", "X85-no-settings", "X85-others-settings", "X85-the-same-again"],
)
def test_what_somebody_writes_beside_a_password_is_not_parsed(beside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = list[str]()

    def parse(line: str) -> dict[str, str]:
        parsed.append(line)
        return parse_properties(line)

    monkeypatch.setattr(credentials, "parse_properties", parse)
    secret = dict(build_secret("u", Credential("p", SCRAM_SHA_256), "b:1"))
    secret["client.properties"] += beside
    assert find_credential(secret, "u") == Credential("p", SCRAM_SHA_256)
    assert len(parsed) == 3


@pytest.mark.parametrize("password", ["a\tb", "a\u200bb", "a\x01b"])
def test_f42_a_password_that_cannot_be_written_back_is_none(password: str) -> None:
    secret = {"client.properties": f"sasl.username=u\nsasl.password={password}\n"}
    assert find_credential(secret, "u") is None


def test_f42_a_credential_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(Credential("hunter2"))
    assert "hunter2" not in repr([Credential("hunter2").password])


@pytest.mark.parametrize("mechanism", ["", "PLAIN", "scram-sha-256", "OAUTHBEARER"])
def test_a_password_goes_by_sha_512_where_its_secret_says_no_mechanism_of_passwords(mechanism: str) -> None:
    """Somebody may have written there; Kafka is never told to make a password of such a kind."""
    secret = {"client.properties": f"sasl.mechanism={mechanism}\nsasl.username=u\nsasl.password=p\n"}
    assert find_credential(secret, "u") == Credential("p", SCRAM_SHA_512)
