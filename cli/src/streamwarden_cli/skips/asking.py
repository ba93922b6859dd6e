"""A request to pass over decisions, checked against where the gate and the partition stand. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError
from streamwarden_contract.models.skip import MAX_SKIPS, SkipRequest

from streamwarden_cli.skips.owners import key_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streamwarden_cli.skips.owners import SkipKey


class SkipError(Exception):
    """What is asked for cannot be done; the message says why."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a gate stands on its decision topic."""

    topic: str
    topic_id: str
    ends: Mapping[int, int]
    """By partition."""
    positions: Mapping[int, int]
    """What the gate has committed, by partition."""


@dataclass(frozen=True, slots=True)
class Known:
    """Requests of an agent that are there already."""

    own: tuple[SkipRequest, ...]
    """Those that this command has written."""
    others: Mapping[SkipKey, str]
    """Those of manifests, and of whoever else writes the agent's spec, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks for."""

    partition: int
    first: int | None
    """None: from where the gate stands."""
    last: int
    reason: str
    requested_by: str


def build_request(wish: Wish, stand: Stand) -> SkipRequest:
    """Make the request.

    Raises:
        SkipError: there is nothing to pass over, or not yet.
    """
    number = wish.partition
    end, position = stand.ends.get(number), stand.positions.get(number)
    if end is None:
        raise SkipError(f"{stand.topic} has the partitions {_listed(stand.ends)}, and not {number}")
    if position is None:
        raise SkipError(f"the gate has committed nothing for partition {number}: where it stands nobody knows")
    if wish.last >= end:
        raise SkipError(f"partition {number} ends before offset {end}: only what is written is skipped")
    if wish.last < position:
        raise SkipError(f"partition {number} is judged up to offset {position - 1}: there is nothing left to skip")
    first = position if wish.first is None else wish.first
    if first > wish.last:
        raise SkipError(f"the range begins at offset {first}, behind its last, {wish.last}")
    try:
        return SkipRequest(
            topic_id=stand.topic_id,
            partition=number,
            from_offset=first,
            to_offset=wish.last,
            seen_end_offset=end,
            reason=wish.reason,
            requested_by=wish.requested_by,
        )
    except ValidationError as error:
        [found, *_] = error.errors(include_url=False, include_context=False)
        raise SkipError(f"{found['loc'][0]}: {found['msg']}") from error


def add_request(known: Known, request: SkipRequest, stand: Stand) -> tuple[SkipRequest, ...]:
    """Return this command's requests with one more; what is done, or of another topic, is taken out.

    Raises:
        SkipError: there are too many, or somebody else has written it.
    """
    place = key_of(request)
    if place in known.others:
        raise SkipError(
            f"a range from offset {place.from_offset} of partition {place.partition} is in the agent's manifests "
            f"({known.others[place]}): change it there"
        )
    kept = [
        each
        for each in known.own
        if each.topic_id == stand.topic_id
        and each.to_offset >= stand.positions.get(each.partition, 0)
        and key_of(each) != place
    ]
    count = len({key_of(each) for each in kept} | set(known.others))
    if count >= MAX_SKIPS:
        said = "; take out of the agent's manifests what is done" if known.others else ""
        raise SkipError(f"{count} ranges are waiting to be skipped already: no more fit{said}")
    return (*kept, request)


def describe(request: SkipRequest, stand: Stand) -> list[str]:
    """Say what would be done."""
    number, position = request.partition, stand.positions[request.partition]
    begin = max(request.from_offset, position)
    said = [
        f"{stand.topic}, partition {number}: the gate stands at offset {position}, the end is {stand.ends[number]}",
        f"offsets {begin} to {request.to_offset} are passed over, unjudged: they become no command",
    ]
    if request.from_offset > position:
        said.append(f"offsets {position} to {request.from_offset - 1} are judged first")
    if request.from_offset < position:
        said.append(f"offsets {request.from_offset} to {position - 1} are judged already, and stay so")
    return said


def _listed(partitions: Mapping[int, int]) -> str:
    return f"0 to {max(partitions)}" if partitions else "none"
