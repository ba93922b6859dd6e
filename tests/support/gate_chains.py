"""The audit chains that a gate must have left behind, on any Kafka."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from streamwarden_contract.audit import ChainHead

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

AGENT = "guard"


def check_chains(written: Iterable[tuple[bytes | None, bytes | None]], committed: Mapping[int, ChainHead]) -> None:
    """Each decision partition's chain is whole, from its genesis to the committed head.

    Args:
        written: key and value of each audit record, in the order in which they stand.
        committed: the head that the gates' group has committed, by decision partition.
    """
    heads = dict.fromkeys(committed, ChainHead())
    for key, value in written:
        audit = json.loads(value or b"")
        number = audit["decision"]["partition"]
        assert key == f"{AGENT}/{number}".encode()
        assert audit["chain"] == {"length": heads[number].length + 1, "previous": heads[number].sha256}
        heads[number] = heads[number].after(value or b"")
    found = {number: (head.length, head.sha256) for number, head in committed.items()}
    assert found == {number: (head.length, head.sha256) for number, head in heads.items()}
