"""What a Kafka lacks is said with the release that brought it."""

from __future__ import annotations

import pytest
from streamwarden_operator.plans.kafka_needs import NEEDS, OLDEST_KAFKA, Need, lacking, too_old

EVERYTHING = {need.api_key: need.version for need in NEEDS}
BY_NAME = {need.name: need for need in NEEDS}


def test_what_offers_all_that_is_needed_or_more_lacks_nothing() -> None:
    assert lacking(EVERYTHING) == []
    assert lacking({key: version + 5 for key, version in EVERYTHING.items()} | {999: 0}) == []


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: f"F43-{need.name}")
def test_f43_a_request_that_is_not_answered_is_lacking(need: Need) -> None:
    offered = {key: version for key, version in EVERYTHING.items() if key != need.api_key}
    assert lacking(offered) == [need]


@pytest.mark.parametrize("name", ["Metadata", "InitProducerId", "TxnOffsetCommit"])
def test_f43_an_earlier_version_of_a_request_does_not_do(name: str) -> None:
    need = BY_NAME[name]
    assert lacking(EVERYTHING | {need.api_key: need.version - 1}) == [need]


def test_f43_the_message_says_what_is_lacking_since_when_there_is_and_what_to_do() -> None:
    said = too_old([BY_NAME["TxnOffsetCommit"], BY_NAME["AlterUserScramCredentials"]])
    assert said == (
        "this Kafka is too old for the operator, or leaves out what it needs: it does not answer TxnOffsetCommit "
        "version 3, since Kafka 2.5, for gates, to commit what they have judged with what they have written; "
        "AlterUserScramCredentials version 0, since Kafka 2.7, to give agents and gates users. Upgrade its brokers to "
        "Kafka 3.9 or later, or name another Kafka in STREAMWARDEN_KAFKA_PROPERTIES"
    )


def test_nothing_that_is_needed_is_newer_than_the_oldest_kafka_that_is_supported() -> None:
    def release(text: str) -> tuple[int, ...]:
        return tuple(map(int, text.split(".")))

    assert max(release(need.since) for need in NEEDS) <= release(OLDEST_KAFKA)
