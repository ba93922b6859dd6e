from __future__ import annotations

from streamwarden.core.batching import MAX_BATCH_RECORDS, BatchSize


def test_batches_grow_with_the_backlog_and_shrink_for_slow_handlers() -> None:
    size = BatchSize(100)
    assert size.after(records=100, seconds=0.1) == BatchSize(200)
    assert size.after(records=40, seconds=0.1) == size
    assert size.after(records=40, seconds=5) == BatchSize(20)
    assert BatchSize(1).after(records=1, seconds=5) == BatchSize(1)
    assert BatchSize(MAX_BATCH_RECORDS).after(records=MAX_BATCH_RECORDS, seconds=0) == BatchSize(MAX_BATCH_RECORDS)
