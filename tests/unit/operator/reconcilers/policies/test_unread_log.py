"""A policy whose log has not been read yet: nothing is known, and unknown is not none."""

from __future__ import annotations

from support.operator_harness import policy, running, until, whole_namespace


async def test_before_the_log_is_read_the_status_of_an_earlier_process_stays() -> None:
    reads = policy("strict")
    async with running(*whole_namespace()) as harness:
        known = harness.get(reads).status
        await harness.controller.stop()
        harness.log.down = True
        harness.controller = harness.new_controller()
        await harness.controller.start()
        harness.put(harness.get(reads))
        harness.controller.caches_complete()
        await until(lambda: harness.controller.failing)
        assert harness.get(reads).status == known
        harness.log.down = False
        await harness.settle()
        assert harness.get(reads).status.conditions == known.conditions
