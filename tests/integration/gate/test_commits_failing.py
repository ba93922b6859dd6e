"""A gate that reads its policies and can commit nothing says so, and is not ready: its coordinator answers no more, or
its group does not take it in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_devstack.proxy import Api, Proxy
from streamwarden_gate import commits
from support.brokers import behind_a_proxy
from support.fixtures import APACHE, KFAKE, proxied_broker
from support.gate_loop_worlds import KafkaWorld
from support.gate_loops import check, step_until, step_until_judged
from support.gate_world import eventually
from support.kafka_tools import write_properties

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from streamwarden_contract.acks import GateAck
    from streamwarden_devstack.proxy import Fault
    from support.gate_world import GateWorld
    from support.stack_fixture import OwnStack

EVERY = 1_000_000
"""More answers than are ever asked for."""
PATIENCE_S = 120.0
"""It takes 30 s to be told, and on a busy machine more."""


@pytest.fixture
def proxy(gate_stack: OwnStack) -> Iterator[Proxy]:
    with behind_a_proxy("apache", gate_stack.routes, gate_stack.operator) as broker:
        yield broker.proxy


@pytest.mark.long
@pytest.mark.parametrize(
    ("lose", "api"),
    [
        pytest.param(Proxy.swallow, Api.TXN_OFFSET_COMMIT, id="the-group's-coordinator-answers-no-offsets"),
        pytest.param(Proxy.cut, Api.ADD_OFFSETS_TO_TXN, id="the-transaction's-coordinator-takes-no-group"),
    ],
)
def test_a_gate_that_reads_its_policies_and_can_commit_nothing_says_so_and_goes_on_once_it_can(
    world: GateWorld, proxy: Proxy, lose: Callable[[Proxy, int, int], Fault], api: Api
) -> None:
    write_properties(world.folder, {**world.gate_properties, "bootstrap.servers": proxy.bootstrap_servers})
    ready = world.folder / "ready"
    world.start_gate(STREAMWARDEN_READY_FILE=str(ready))
    world.wait_in_force()
    world.propose([0])
    eventually(world.caught_up, "the first decision is judged")
    assert ready.exists()

    def said() -> GateAck:
        ack = world.last_ack()
        assert ack is not None
        return ack

    lost = lose(proxy, api, EVERY)
    world.propose([1, 2])
    eventually(lambda: said().state != "InForce", "the gate says that it is not in force", timeout_s=PATIENCE_S)
    ack = said()
    assert (ack.state, ack.reason, ack.policies) == ("Stale", "CommitsFailing", ())
    assert ack.message.startswith("no transaction has been committed since 20")
    assert not ready.exists()
    assert world.commanded() == ["page-0"]

    lost.release()
    eventually(lambda: said().state == "InForce", "the gate is in force again", timeout_s=PATIENCE_S)
    eventually(world.caught_up, "what waited is judged", timeout_s=PATIENCE_S)
    assert sorted(world.commanded()) == ["page-0", "page-1", "page-2"]
    eventually(ready.exists, "it is ready again")
    world.check_chains()


@pytest.fixture(params=[KFAKE, APACHE])
def loop_world(request: pytest.FixtureRequest, tmp_path: Path, unique: str) -> Iterator[KafkaWorld]:
    """Each of the two in turn."""
    with proxied_broker(request.param, request) as broker:
        made = KafkaWorld(broker, tmp_path / "gate", unique)
        yield made
        for gate in made.gates:
            gate.close()


@pytest.mark.long
def test_a_gate_whose_right_to_its_group_is_taken_away_says_so_and_goes_on_once_it_has_it(
    loop_world: KafkaWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "TOLD_AFTER_S", 3.0)
    gate = loop_world.start_gate()
    loop_world.propose(range(3))
    step_until_judged(loop_world)
    with loop_world.without_right_to_group():
        step_until(loop_world, lambda: gate.reports.said[-1].state == "Stale", "it says that it is not in force")
        said = gate.reports.said[-1]
        assert said.reason == "CommitsFailing"
        assert said.message.startswith("this gate has been no member of its group since 20")
        assert said.message.endswith(": GROUP_AUTHORIZATION_FAILED")
        loop_world.propose(range(5, 8))
    step_until_judged(loop_world)
    assert gate.reports.said[-1].state == "InForce"
    check(loop_world, [*range(3), *range(5, 8)])


@pytest.mark.long
def test_a_gate_whose_transaction_was_ended_for_its_age_goes_on(loop_world: KafkaWorld) -> None:
    loop_world.start_gate()
    loop_world.propose(range(3))
    step_until_judged(loop_world)
    loop_world.lose_answer_to_offsets()
    loop_world.propose(range(5, 8))
    step_until_judged(loop_world)
    check(loop_world, [*range(3), *range(5, 8)])
