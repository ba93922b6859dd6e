"""The signing key is replaced without a moment in which a gate could not go on (X83)."""

from __future__ import annotations

import pytest
from streamwarden_contract.acks import GateAck, SignedEpoch, SignedEpochs
from streamwarden_operator.plans.key_rotation import Step, plan_rotation
from streamwarden_operator.ports import KeyIds, RotationAsked


def gate(pod: str, *, knows: tuple[str, ...] = (), signed_by: tuple[str, str] | None = None) -> GateAck:
    epochs = None
    if signed_by is not None:
        namespace, guardrail = (SignedEpoch(value="{}", signature="", key_id=key) for key in signed_by)
        epochs = SignedEpochs(namespace=namespace, guardrail=guardrail)
    return GateAck(
        namespace="risk",
        agent="guard",
        agent_uid="u",
        pod=pod,
        state="InForce",
        key_ids=knows,
        epochs=epochs,
        reported_at_ms=1,
    )


OLD, NEW = "old", "new"
BEGUN, SIGNING = KeyIds(OLD, following=NEW), KeyIds(NEW, previous=OLD)


@pytest.mark.parametrize(
    ("keys", "due", "gates", "step"),
    [
        pytest.param(KeyIds(OLD), "", [], Step.NONE, id="nothing-is-due"),
        pytest.param(KeyIds(OLD), "old", [], Step.ADD, id="the-next-key-is-given-to-gates-first"),
        pytest.param(BEGUN, "", [gate("a")], Step.WAIT, id="a-gate-that-does-not-say-what-it-knows-is-waited-for"),
        pytest.param(
            BEGUN, "", [gate("a", knows=(NEW, OLD)), gate("b", knows=(OLD,))], Step.WAIT, id="not-all-know-it"
        ),
        pytest.param(BEGUN, "", [gate("a", knows=(NEW, OLD))], Step.SIGN, id="all-know-it"),
        pytest.param(BEGUN, "", [], Step.SIGN, id="no-gate-runs"),
        pytest.param(SIGNING, "", [gate("a", signed_by=(OLD, NEW))], Step.WAIT, id="one-log-of-the-old-key-in-force"),
        pytest.param(SIGNING, "", [gate("a")], Step.WAIT, id="a-gate-with-nothing-in-force"),
        pytest.param(SIGNING, "", [gate("a", signed_by=(NEW, NEW))], Step.RETIRE, id="all-have-what-it-signed"),
        pytest.param(SIGNING, "again", [gate("a", signed_by=(OLD, OLD))], Step.WAIT, id="one-rotation-at-a-time"),
    ],
)
def test_the_next_step(keys: KeyIds, due: str, gates: list[GateAck], step: Step) -> None:
    assert plan_rotation(keys, RotationAsked(due), gates=gates, unknown=(), unsigned=()).step is step


@pytest.mark.parametrize("keys", [BEGUN, SIGNING])
def test_gates_that_are_not_known_yet_are_waited_for(keys: KeyIds) -> None:
    plan = plan_rotation(keys, RotationAsked(), gates=[], unknown=["risk"], unsigned=())
    assert (plan.step, plan.progress) == (Step.WAIT, "waits until it is known which gates there are in risk")


def test_the_old_key_stays_until_every_log_is_signed_anew() -> None:
    plan = plan_rotation(SIGNING, RotationAsked(), gates=[], unknown=(), unsigned=["risk.streamwarden.policies"])
    assert (plan.step, plan.progress) == (Step.WAIT, "the key new signs anew: risk.streamwarden.policies")


def test_whom_it_waits_for_is_said() -> None:
    gates = [gate(f"pod-{number}", knows=(NEW,) if number == 0 else ()) for number in range(6)]
    progress = plan_rotation(BEGUN, RotationAsked(), gates=gates, unknown=(), unsigned=()).progress
    assert progress == (
        "1 of 6 gates know the next key new; the key old signs until all of them do. Waits for risk/pod-1, risk/pod-2, "
        "risk/pod-3 and 2 more"
    )


STUCK, WELL = gate("stuck"), gate("a", knows=(NEW, OLD), signed_by=(NEW, NEW))


def test_a_gate_that_people_name_is_waited_for_no_longer_and_is_told_of() -> None:
    asked = RotationAsked(without=frozenset({"risk/stuck"}))
    begun = plan_rotation(BEGUN, asked, gates=[WELL, STUCK], unknown=(), unsigned=())
    assert begun.step is Step.SIGN
    assert begun.progress == (
        "1 of 2 gates know the key new, and it signs now: people have asked to wait no longer for risk/stuck, which "
        "nothing reaches that is published from now on"
    )
    ended = plan_rotation(SIGNING, asked, gates=[WELL, STUCK], unknown=(), unsigned=())
    assert ended.step is Step.RETIRE
    assert ended.progress == (
        "the key old is valid for no gate any more; risk/stuck, left out as people have asked, may not take what new "
        "signs"
    )


@pytest.mark.parametrize(("keys", "step"), [(BEGUN, Step.SIGN), (SIGNING, Step.RETIRE)])
@pytest.mark.parametrize(
    ("named", "waits"),
    [("risk/*", False), ("other/*", True), ("*/*", True), ("ris*/*", True), ("risk", True)],
    ids=["X83-its-own", "X83-anothers", "X83-of-all", "X83-a-beginning", "X83-without-a-star"],
)
def test_a_namespace_that_people_name_holds_no_rotation_up_whatever_its_gates_say(
    keys: KeyIds,
    step: Step,
    named: str,
    waits: bool,  # noqa: FBT001  # a case's
) -> None:
    asked = RotationAsked(without=frozenset({named}))
    plan = plan_rotation(keys, asked, gates=[STUCK], unknown=["risk"], unsigned=())
    assert plan.step is (Step.WAIT if waits else step)
    assert plan.progress.endswith("which gates there are in risk")


@pytest.mark.parametrize("keys", [BEGUN, SIGNING])
@pytest.mark.parametrize("named", ["risk/another", "stuck", "other/stuck", "guard/stuck", "*"])
def test_no_other_gate_than_the_named_one_is_left_behind(keys: KeyIds, named: str) -> None:
    asked = RotationAsked(without=frozenset({named}))
    plan = plan_rotation(keys, asked, gates=[WELL, STUCK], unknown=(), unsigned=())
    assert (plan.step, plan.progress.endswith("Waits for risk/stuck")) == (Step.WAIT, True)


@pytest.mark.parametrize("keys", [BEGUN, SIGNING])
def test_who_is_named_and_has_come_along_is_not_told_of(keys: KeyIds) -> None:
    asked = RotationAsked(without=frozenset({"risk/a"}))
    progress = plan_rotation(keys, asked, gates=[WELL], unknown=(), unsigned=()).progress
    assert progress in {"all 1 gates know the key new, and it signs now", "the key old is valid for no gate any more"}
