"""A binding that names its policies: the index that the epoch closed says which those are."""

from __future__ import annotations

import pytest
from streamwarden_gate.errors import SetRefusedError
from streamwarden_gate.reasons import RefusalReason
from support.gate_log import AGENT, NAMESPACE, MemoryLog
from support.policy_log import SigningKey, binding_record, epoch_record, index_record, policy_record, policy_spec

STRICT = policy_spec("decision.confidence >= 0.95")
EDITED = policy_record(NAMESPACE, "confident", STRICT, revision=5, epoch=2)
BINDING = binding_record(NAMESPACE, AGENT, [EDITED], {}, revision=2)
"""As the index has it."""
EDITED_INDEX = index_record([EDITED], BINDING, revision=6, epoch=2)
EDITED_EPOCH = epoch_record(2, revision_counter=6, index=EDITED_INDEX)


@pytest.fixture
def log() -> MemoryLog:
    """A log by name, at epoch 1."""
    log = MemoryLog()
    log.write_guardrails()
    log.binding = binding_record(NAMESPACE, AGENT, [log.policy], log.targets, revision=2).model_copy(
        update={"format": 3}
    )
    index = index_record([log.policy], log.binding, revision=3)
    log.write(log.policy, log.schema, log.binding, index, epoch_record(revision_counter=3, index=index))
    return log


def refused(log: MemoryLog) -> tuple[RefusalReason, str]:
    with pytest.raises(SetRefusedError) as found:
        log.build()
    return found.value.reason, str(found.value)


def test_an_edit_without_a_new_binding_is_in_force_with_its_epoch(log: MemoryLog) -> None:
    first = log.build()
    assert [(ref.name, ref.revision) for ref in first.refs] == [("confident", 1)]
    log.write(EDITED, EDITED_INDEX)
    assert log.build(first).refs == first.refs
    log.write(EDITED_EPOCH)
    second = log.build(first)
    assert [(ref.name, ref.revision) for ref in second.refs] == [("confident", 5)]
    assert (second.namespace_epoch, second.binding.revision) == (2, 2)
    assert log.snapshot.refusal(second.binding) is None


@pytest.mark.parametrize(
    ("records", "why"),
    [
        pytest.param((EDITED, EDITED_EPOCH), "has not the index that its epoch says", id="the-index-is-missing"),
        pytest.param(
            (EDITED, EDITED_INDEX, epoch_record(2, revision_counter=6)),
            "has not the index that its epoch says",
            id="the-epoch-says-none",
        ),
        pytest.param((EDITED_INDEX, EDITED_EPOCH), "policy risk/confident@5: the log has revision 1", id="no-policy"),
        pytest.param(
            (index_record([], BINDING, revision=6, epoch=2), epoch_record(2, revision_counter=6, index=EDITED_INDEX)),
            "the log's index has no policy confident",
            id="the-index-has-it-not",
        ),
    ],
)
def test_a_set_without_what_its_index_says_is_refused(log: MemoryLog, records: tuple[object, ...], why: str) -> None:
    log.write(*records)  # type: ignore[arg-type]  # of the log
    reason, said = refused(log)
    assert reason is RefusalReason.BINDING_INCOMPLETE
    assert why in said


def test_who_starts_where_an_earlier_index_was_written_again_judges_nothing(log: MemoryLog) -> None:
    """What it reads was all signed once, and it has seen nothing else: the epoch says that this is over."""
    started = MemoryLog()
    started.write_guardrails()
    earlier = index_record([started.policy], log.binding, revision=3)
    started.write(started.policy, started.schema, log.binding, earlier, EDITED_EPOCH)
    reason, said = refused(started)
    assert (reason, "has not the index that its epoch says" in said) == (RefusalReason.BINDING_INCOMPLETE, True)


def test_an_earlier_binding_that_was_written_again_judges_nothing_in_a_gate_that_starts(log: MemoryLog) -> None:
    """As it is once Kafka has compacted the later one away; each record was signed once."""
    started = MemoryLog()
    started.write_guardrails()
    later = log.binding.model_copy(update={"epoch": 2, "revision": 4})
    index = index_record([started.policy], later, revision=6, epoch=2)
    started.write(started.policy, started.schema, log.binding, index, epoch_record(2, revision_counter=6, index=index))
    reason, said = refused(started)
    assert (reason, "index has not its revision 2" in said) == (RefusalReason.BINDING_INCOMPLETE, True)


def test_an_index_that_is_not_signed_by_a_known_key_is_told_and_the_last_set_stays(log: MemoryLog) -> None:
    first = log.build()
    assert log.write(EDITED_INDEX, key=SigningKey()) is not None
    found = log.snapshot.refusal(first.binding)
    assert found is not None
    assert (found.reason, "index" in found.message) == (RefusalReason.BAD_SIGNATURE, True)
    assert log.build(first).refs == first.refs


def test_a_log_goes_back_to_bindings_that_say_revisions(log: MemoryLog) -> None:
    first = log.build()
    older = binding_record(NAMESPACE, AGENT, [log.policy], log.targets, revision=7, epoch=2)
    log.write(older, epoch_record(2, revision_counter=7))
    log.snapshot.feed(f"{NAMESPACE}.streamwarden.policies", b"index", None, None)
    assert log.build(first).refs == first.refs
