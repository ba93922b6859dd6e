"""What may be asked, and what is said of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from streamwarden_cli.audit.source import Committed, Record
from streamwarden_cli.skips.asking import Known, SkipError, Stand, Wish, add_request, build_request, describe
from streamwarden_cli.skips.owners import key_of
from streamwarden_cli.skips.standing import find_stand
from streamwarden_contract.audit import ChainHead
from streamwarden_contract.models.skip import MAX_SKIPS, SkipRequest
from streamwarden_contract.names import AgentNames
from support.audit_records import DECISIONS
from support.audit_source import MemorySource

STAND = Stand(DECISIONS, "an-id", {0: 12, 1: 3}, {0: 7})
WISH = Wish(partition=0, first=None, last=9, reason="a broken library", requested_by="ada")


def request(**fields: Any) -> SkipRequest:
    given = {"partition": 0, "from_offset": 7, "to_offset": 9, "reason": "a broken library", "requested_by": "ada"}
    return SkipRequest(**{"topic_id": "an-id", "seen_end_offset": 12, **given, **fields})


def test_a_request_begins_where_the_gate_stands_unless_said_otherwise() -> None:
    assert build_request(WISH, STAND) == request()
    assert build_request(replace(WISH, first=8), STAND) == request(from_offset=8)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"last": 12}, "partition 0 ends before offset 12: only what is written is skipped", id="beyond"),
        pytest.param({"last": 6}, "partition 0 is judged up to offset 6: there is nothing left to skip", id="judged"),
        pytest.param({"first": 10}, "the range begins at offset 10, behind its last, 9", id="backwards"),
        pytest.param({"partition": 2}, f"{DECISIONS} has the partitions 0 to 1, and not 2", id="no-partition"),
        pytest.param({"partition": 1, "last": 1}, "the gate has committed nothing for partition 1", id="no-place"),
        pytest.param({"reason": "one\ntwo"}, "reason: String should match pattern", id="two-lines"),
        pytest.param({"reason": ""}, "reason: String should have at least 1 character", id="no-reason"),
    ],
)
def test_what_cannot_be_skipped_is_refused_in_words(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SkipError) as refused:
        build_request(replace(WISH, **fields), STAND)
    assert str(refused.value).startswith(message)


def test_what_is_done_or_of_another_topic_is_taken_out_and_the_same_place_is_replaced() -> None:
    known = [
        request(from_offset=1, to_offset=6),
        request(topic_id="earlier"),
        request(to_offset=8),
        request(partition=1),
    ]
    assert add_request(Known(tuple(known), {}), request(), STAND) == (request(partition=1), request())


def test_no_more_ranges_wait_than_the_resource_can_hold() -> None:
    known = [request(from_offset=8 + number, to_offset=100) for number in range(MAX_SKIPS)]
    with pytest.raises(SkipError, match="16 ranges are waiting to be skipped already"):
        add_request(Known(tuple(known), {}), request(), STAND)
    others = {key_of(each): "written by kustomize" for each in known[1:]}
    with pytest.raises(SkipError, match="no more fit; take out of the agent's manifests what is done"):
        add_request(Known((known[0],), others), request(), STAND)


def test_what_others_have_written_is_never_among_what_is_written_and_never_taken_over() -> None:
    others = {key_of(request(from_offset=8)): "written by kustomize"}
    assert add_request(Known((), others), request(), STAND) == (request(),)
    said = "a range from offset 8 of partition 0 is in the agent's manifests (written by kustomize): change it there"
    with pytest.raises(SkipError) as refused:
        add_request(Known((), others), request(from_offset=8), STAND)
    assert str(refused.value) == said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param(
            request(), ["offsets 7 to 9 are passed over, unjudged: they become no command"], id="as-it-stands"
        ),
        pytest.param(
            request(from_offset=9),
            [
                "offsets 9 to 9 are passed over, unjudged: they become no command",
                "offsets 7 to 8 are judged first",
            ],
            id="further-on",
        ),
        pytest.param(
            request(from_offset=5),
            [
                "offsets 7 to 9 are passed over, unjudged: they become no command",
                "offsets 5 to 6 are judged already, and stay so",
            ],
            id="judged-in-part",
        ),
    ],
)
def test_it_is_said_what_would_be_done(asked: SkipRequest, said: list[str]) -> None:
    assert describe(asked, STAND) == [f"{DECISIONS}, partition 0: the gate stands at offset 7, the end is 12", *said]


def test_where_a_gate_stands_is_read_from_its_group_and_its_topic() -> None:
    names = AgentNames("risk", "guard")
    head = ChainHead().metadata("an-id", 2)
    source = MemorySource(
        records={names.decisions: [Record(0, 4, None, b"")]},
        counts={names.decisions: 2},
        ids={names.decisions: "an-id"},
        offsets={names.gate_group: {0: Committed(2, head)}},
    )
    assert find_stand(source, names) == Stand(names.decisions, "an-id", {0: 5, 1: 0}, {0: 2})
