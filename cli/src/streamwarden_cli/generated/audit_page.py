"""The reference page of the audit: its records field by field, the chain, and what a verification can find."""

from collections.abc import Iterator, Mapping
from typing import get_args, get_type_hints, is_typeddict

from streamwarden_contract.audit import GENESIS, AuditRecord
from streamwarden_contract.audit_faults import MOST_TOLD, AuditFaultKind

from streamwarden_cli.generated.docstrings import cell, docs_of

_JSON_TYPES: Mapping[object, str] = {
    str: "string",
    int: "integer",
    float: "number",
    type(None): "null",
    dict[str, object]: "object",
    list[str]: "list of strings",
}

_CHAIN = f"""
Records of one decision partition of an agent have the same key, `<agent>/<partition>`, and form a chain.
`chain.length` is 1 for the first and grows by one; `chain.previous` is the SHA-256 of the value before it, byte for
byte, and {len(GENESIS)} zeros for the first. The length and hash of the newest record travel as
[metadata of the offset](formats.md#offset-metadata) that the gate commits in the same transaction, for its group
`<namespace>.<agent>.gate` on `<namespace>.<agent>.decisions`. A chain begins anew where agent or decision topic are
made again.

So whoever changes, drops, adds or moves a record must hold the gate's credentials too, and write every later record
anew. A super user of Kafka can do both; a length and hash that were kept elsewhere show even that.
"""

_BY_HAND = """
With the values of one key's records, in order (`kafka-console-consumer --isolation-level read_committed`):

```python
import hashlib
import json


def verify(values):
    length, previous = 0, "0" * 64
    for value in values:
        link = json.loads(value)["chain"]
        if (link["length"], link["previous"]) != (length + 1, previous):
            raise ValueError(f"the chain breaks at length {link['length']}")
        length, previous = length + 1, hashlib.sha256(value).hexdigest()
    return length, previous  # what the gate has committed
```
"""

_COMMAND = """
`streamwarden audit verify --kafka FILE --namespace NAMESPACE` does that for every chain, and compares it with what
gates have committed. `--decisions` also compares each committed record of the decision topics, from the first audited
one on, with its audit record, by SHA-256. `--agent` looks at one agent; `--dir DIR` takes a running `dev` in place of
`--kafka`, and where all of its agents are of one namespace, `--namespace` may be left out.
It reads to the ends that the topics have when it starts, joins no group, commits nothing, and keeps no
more of a chain than its newest record and {most} findings; for `--decisions` 40 bytes a record lie in a temporary
file meanwhile, and agents' batches are decoded in a process of its own: one that ends who decodes it (a gzip bomb) is
passed over where a gate has done so, else it is said where it stands (`not checked`).

A record's offset is the word of the agent that wrote its batch
([why](../decisions/2026-11-27-offsets-that-records-give.md)). Where it is in a range that a gate has skipped, it is
passed over with it. Else a record that gives the offset of one before it, a lower one, or one at which the broker has
no record, accuses no gate: where it is, and whether it was judged, cannot be told, and that is said (`not checked`).

| for | the principal needs |
| --- | --- |
| the chains | READ on the topic `<namespace>.streamwarden.audit` |
| their ends | DESCRIBE on the topics `<namespace>.<agent>.decisions` and on the groups `<namespace>.<agent>.gate` |
| `--decisions` | READ on the topics `<namespace>.<agent>.decisions` |

Who reads decisions is named in the operator's `STREAMWARDEN_TRUSTED_PRINCIPALS`: the rights of others to do so are
`BypassPossible`. What the principal may not read is said as `not checked: …`, and the exit code is 1. `--no-heads`
leaves the ends out: then it does not see a chain that is cut off at its end, or written anew as a whole. Without
`--agent`, an agent of which nothing is left in the audit is found by its decision topic. The
[exit code](exit-codes.md) is 0 only when all that was asked for was checked and nothing is wrong.

No fault, but said: a chain that begins late, because retention has deleted older records; judged decisions that
retention has deleted; decisions that are not compared, as their audit records are gone; an agent or a decision topic
that is gone or was made again.
"""

_JSON = """
| field of `--output json` | type | meaning |
| --- | --- | --- |
| `namespace` | string | whose audit it is |
| `whole` | boolean | all was checked and nothing is wrong; the exit code is 0 |
| `records` | integer | audit records that were read of these chains |
| `faultCount` | integer | how much is wrong in all |
| `chains[].agent`, `chains[].partition` | string, integer | whose chain |
| `chains[].records` | integer | records that were read |
| `chains[].firstLength` | integer | `chain.length` of the first one; 1: from the beginning |
| `chains[].length`, `chains[].sha256` | integer, string | of the newest record |
| `chains[].decisions` | object or null | `compared` and `deleted` (by retention): decisions |
| `chains[].notes` | list of strings | what is no fault |
| `chains[].faultCount` | integer | how much is wrong with it |
| `chains[].faults[]` | list of objects | `kind`, `topic`, `partition`, `offset`, `message`; at most 2 x {most} |
| `faults[]` | list of objects | likewise, of records that belong to no chain |
| `notChecked` | list of strings | what was asked for and could not be read, or not be told |
"""


def audit_page() -> str:
    """Return the page's text."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield "# Audit\n"
    yield "One record for each committed record of a decision topic, on `<namespace>.streamwarden.audit`, as canonical"
    yield "JSON: keys sorted, no white space, UTF-8. [The gate](../gate.md) writes it in the decision's transaction.\n"
    yield "## The record\n"
    yield "| field | type | meaning |\n| --- | --- | --- |"
    yield from _rows(AuditRecord, "")
    yield "\n## The chain"
    yield _CHAIN
    yield "## Verify it"
    yield _COMMAND.format(most=MOST_TOLD)
    yield "## What can be found\n"
    yield "Words are added and never changed: programs may match on them.\n"
    yield "| kind | meaning |\n| --- | --- |"
    docs = docs_of(AuditFaultKind)
    yield from (f"| `{kind}` | {cell(docs[kind.name])} |" for kind in AuditFaultKind)
    yield "\n## As JSON"
    yield _JSON.format(most=MOST_TOLD)
    yield "## By hand, in a few lines of Python"
    yield _BY_HAND


def _rows(record: type, path: str) -> Iterator[str]:
    """One row a field, depth first."""
    docs = docs_of(record)
    for name, kind in get_type_hints(record).items():
        here = f"{path}{name}"
        yield f"| `{here}` | {_type(kind)} | {cell(docs[name])} |"
        for inner, suffix in _records_in(kind):
            yield from _rows(inner, f"{here}{suffix}.")


def _records_in(kind: object) -> Iterator[tuple[type, str]]:
    if isinstance(kind, type) and is_typeddict(kind):
        yield kind, ""
    for part in get_args(kind):
        if isinstance(part, type) and is_typeddict(part):
            yield part, "[]" if getattr(kind, "__origin__", None) is list else ""


def _type(kind: object) -> str:
    if kind in _JSON_TYPES:
        return _JSON_TYPES[kind]
    if is_typeddict(kind):
        return "object"
    if getattr(kind, "__origin__", None) is list:
        return "list of objects"
    return " or ".join(_type(part) for part in get_args(kind))
