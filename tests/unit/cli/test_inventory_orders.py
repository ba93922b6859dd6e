"""``streamwarden inventory adopt`` and ``release``: what is printed, and how they end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.exit_codes import ExitCode
from streamwarden_cli.main import app
from streamwarden_contract.inventory_requests import Action, InventoryAnswer, ItemAnswer, Outcome
from streamwarden_operator.errors import KubeconfigError, NotReadyError, OperatorError
from streamwarden_operator.handlers import ordering
from support.commands import CliRunner

if TYPE_CHECKING:
    from streamwarden_contract.inventory_requests import InventoryRequest

ITEM = "user/risk.ghost.gate"


class Operator:
    """Answers what it is told to."""

    def __init__(self) -> None:
        self.outcome = Outcome.DONE
        self.refused = ""
        self.error: OperatorError | None = None
        self.asked: list[tuple[str, str, InventoryRequest]] = []

    def order(
        self, context: str, namespace: str, request: InventoryRequest, *, wait_s: float, tell: ordering.Tell
    ) -> InventoryAnswer:
        assert (wait_s, callable(tell)) == (60, True)
        self.asked.append((context, namespace, request))
        if self.error is not None:
            raise self.error
        items = tuple(ItemAnswer(item=item, outcome=self.outcome, message="because") for item in request.items)
        return InventoryAnswer(id=request.id, refused=self.refused, items=() if self.refused else items)


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Operator:
    made = Operator()
    monkeypatch.setattr(ordering, "order", made.order)
    return made


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(Outcome.DONE, ExitCode.DONE), (Outcome.UNCHANGED, ExitCode.DONE), (Outcome.REFUSED, ExitCode.FAILED)],
    ids=["done", "so-before", "refused"],
)
def test_each_thing_is_a_line_and_a_refusal_fails(operator: Operator, outcome: Outcome, code: ExitCode) -> None:
    operator.outcome = outcome
    answer = CliRunner().invoke(app, ["inventory", "adopt", ITEM])
    assert (answer.exit_code, answer.output) == (code, f"{outcome.value.lower():<9}  {ITEM}: because\n")


def test_what_was_asked_for_is_ordered(operator: Operator) -> None:
    options = ["--dry-run", "--unwatched", "--installation", "acme", "--context", "c", "--operator-namespace", "ops"]
    answer = CliRunner().invoke(app, ["inventory", "release", ITEM, "topic/risk.old", *options, "-o", "json"])
    ((context, namespace, request),) = operator.asked
    assert (context, namespace, request.installation) == ("c", "ops", "acme")
    assert (request.action, request.dry_run, request.unwatched) == (Action.RELEASE, True, True)
    assert request.items == (ITEM, "topic/risk.old")
    assert [item["outcome"] for item in json.loads(answer.output)["items"]] == ["Done", "Done"]


def test_an_order_that_is_refused_as_a_whole_fails(operator: Operator) -> None:
    operator.refused = "this is the installation 'a', and not 'b'"
    answer = CliRunner().invoke(app, ["inventory", "adopt", ITEM])
    assert (answer.exit_code, answer.output) == (ExitCode.FAILED, f"error: {operator.refused}\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotReadyError("no operator has answered within 60 s"), ExitCode.FAILED),
        (KubeconfigError("no API server to speak to"), ExitCode.USAGE),
    ],
    ids=["no-answer", "no-kubeconfig"],
)
def test_who_is_not_heard_is_told(operator: Operator, error: OperatorError, code: ExitCode) -> None:
    operator.error = error
    answer = CliRunner().invoke(app, ["inventory", "release", ITEM])
    assert (answer.exit_code, answer.output) == (code, f"error: {error}\n")


def test_what_no_inventory_has_is_a_wrong_argument(operator: Operator) -> None:
    answer = CliRunner().invoke(app, ["inventory", "adopt", "risk.ghost.gate"])
    assert (answer.exit_code, operator.asked) == (ExitCode.USAGE, [])
    assert "is no KIND/NAME" in answer.output
