"""What is forbidden to the operator, its agents say, and an Event does: nothing that runs is taken away for it."""

from __future__ import annotations

import pytest
from streamwarden_operator.errors import ForbiddenError, KafkaForbiddenError, KafkaLoginError, OperatorError
from streamwarden_operator.keys import Key
from support.operator_harness import conditions_of, running, until, whole_namespace

GUARD = whole_namespace()[-1]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(
            KafkaForbiddenError("could not list the ACLs"), "KafkaAuthorizationFailed", id="X99-kafka-forbids"
        ),
        pytest.param(KafkaLoginError("could not list the ACLs"), "KafkaAuthenticationFailed", id="X99-not-let-in"),
        pytest.param(ForbiddenError("forbids to get secrets"), "Forbidden", id="F16-a-right-in-kubernetes-is-gone"),
    ],
)
async def test_a_refusal_is_told_once_and_what_runs_goes_on(
    monkeypatch: pytest.MonkeyPatch, error: OperatorError, reason: str
) -> None:
    refused: list[OperatorError] = []

    async def refuse(**_asked: bool) -> None:
        refused.append(error)
        raise error

    async with running(*whole_namespace()) as harness:
        before = dict(harness.cluster.workloads)
        with monkeypatch.context() as patched:
            patched.setattr(harness.acls, "observe", refuse)
            harness.controller.add(Key("AgentDeployment", "risk", "guard"))
            await until(lambda: len(refused) > 2 and harness.cluster.events, 10)
            assert conditions_of(harness.get(GUARD))["AccessReady"] == ("Unknown", reason)
        assert harness.cluster.workloads == before
        assert [event.reason for event in harness.cluster.events] == [reason]
        harness.controller.add(Key("AgentDeployment", "risk", "guard"))
        await harness.settle()
        assert conditions_of(harness.get(GUARD))["AccessReady"] == ("True", "OK")
