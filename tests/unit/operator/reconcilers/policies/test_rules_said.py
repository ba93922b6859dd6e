"""What a Policy and a TopicContract say of rules that do not check, as conditions and as Events."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from streamwarden_contract.acks import RuleErrors
from streamwarden_contract.models import AgentDeployment
from streamwarden_contract.models.policy import Policy, PolicyRef
from streamwarden_contract.models.topic_contract import TopicSchema
from streamwarden_operator.errors import KubernetesUnavailableError
from streamwarden_operator.keys import key_of
from streamwarden_operator.reconcilers.policies.params import KnownParams
from streamwarden_operator.reconcilers.policies.reconciler import PolicyReconciler
from support.operator_harness import Harness, agent, conditions_of, contract, name_of, policy, running, until
from support.policy_fakes import ack_of

if TYPE_CHECKING:
    from streamwarden_contract.models import TopicContract

OPEN = json.dumps({"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}}})
BOUNDED = OPEN.replace('"type": "array"', '"type": "array", "maxItems": 1000')
COMMANDS = contract("commands", schema={"schema": OPEN})
COSTLY = policy("costly", "decision.parameters.tags.map(t, t).size() < 5")
TOO_MUCH = (
    "may take 3.0 s for one decision, and at most 0.1 s is allowed: "
    "set maxItems for decision.parameters.tags in the schema"
)


def with_notes() -> AgentDeployment:
    made = agent().model_dump(by_alias=True, mode="json")
    made["spec"]["decisions"].append({"type": "note", "commandTopicRef": {"name": "notes"}})
    return AgentDeployment.model_validate(made)


def said(resource: Policy | TopicContract, kind: str) -> tuple[str, str, str]:
    return next((part.status, part.reason, part.message) for part in resource.status.conditions if part.type == kind)


def events(harness: Harness, reason: str) -> list[tuple[str, str, bool]]:
    return [
        (str(event.key), event.message, event.warning) for event in harness.cluster.events if event.reason == reason
    ]


def edited(found: TopicContract, schema: str) -> TopicContract:
    metadata = found.metadata.model_copy(update={"generation": found.metadata.generation + 1})
    spec = found.spec.model_copy(update={"value_schema": TopicSchema.model_validate({"schema": schema})})
    return found.model_copy(update={"metadata": metadata, "spec": spec})


# --- the cost of a rule ----------------------------------------------------------------------------------------------


async def test_a_rule_that_may_take_too_long_is_refused_until_the_schema_bounds_it() -> None:
    async with running(contract("pages"), COMMANDS, agent()) as harness:
        harness.put(COSTLY)
        await harness.settle()
        assert said(harness.get(COSTLY), "Accepted") == (
            "False",
            "InvalidExpression",
            f"spec.rules[0].require: 1:1: {TOO_MUCH}",
        )
        assert b"policy/costly" not in harness.log.topics["risk.streamwarden.policies"]
        harness.put(edited(harness.get(COMMANDS), BOUNDED))
        await until(lambda: conditions_of(harness.get(COSTLY))["Published"] == ("True", "OK"))
        assert conditions_of(harness.get(COSTLY))["Accepted"] == ("True", "OK")


async def test_a_policy_that_is_still_refused_says_what_is_wrong_now() -> None:
    async with running(contract("pages"), COMMANDS, agent()) as harness:
        harness.put(COSTLY)
        await harness.settle()
        harness.put(edited(harness.get(COMMANDS), OPEN.replace("tags", "tag")))
        await harness.settle()
        assert said(harness.get(COSTLY), "Accepted")[2] == (
            "spec.rules[0].require: 1:20: decision.parameters has no field 'tags'; did you mean 'tag'?"
        )


async def test_a_rule_that_was_there_before_its_agent_and_may_take_too_long_denies_and_says_so() -> None:
    async with running(contract("pages"), COMMANDS, COSTLY) as harness:
        assert conditions_of(harness.get(COSTLY))["Published"] == ("True", "OK")
        harness.put(agent())
        await until(lambda: conditions_of(harness.get(COSTLY))["Accepted"] == ("False", "InvalidExpression"))
        await harness.settle()
        assert said(harness.get(COSTLY), "Accepted")[2] == f"spec.rules[0].require: 1:1: {TOO_MUCH}"
        assert harness.binding().not_applicable == {"block-page": ("costly",)}


async def test_a_schema_that_takes_a_bound_away_would_break_the_rule_that_needs_it() -> None:
    bounded = contract("commands", schema={"schema": BOUNDED})
    async with running(contract("pages"), bounded, COSTLY, agent()) as harness:
        assert conditions_of(harness.get(COSTLY))["Published"] == ("True", "OK")
        harness.put(edited(harness.get(bounded), OPEN))
        await harness.settle()
        status, reason, message = said(harness.get(bounded), "SchemaReady")
        assert (status, reason) == ("False", "BreaksPolicies")
        assert f"policy 'costly' for guard/block-page (rule 'r': 1:1: {TOO_MUCH})" in message


def demanding(name: str, rules: int) -> Policy:
    """Return a policy that takes 0.07 s a rule where the schema bounds nothing."""
    require = "!has(decision.parameters.tags) || decision.parameters.tags.all(t, t.matches('^[a-z]+$'))"
    return policy(name, rules=[{"name": f"r{number}", "require": require} for number in range(rules)])


async def test_a_policy_that_is_too_much_beside_others_is_refused_until_one_of_them_goes() -> None:
    first, second = demanding("first", 3), demanding("a-second", 2)
    async with running(contract("pages"), COMMANDS, agent(), first) as harness:
        harness.put(second)
        await harness.settle()
        message = (
            "spec.rules[0].require: 1:1: all policies of the agent together may take 0.35 s for one decision, and at "
            "most 0.3 s is allowed: this one takes 0.14 s of it"
        )
        assert said(harness.get(second), "Accepted") == ("False", "InvalidExpression", message)
        assert b"policy/a-second" not in harness.log.topics["risk.streamwarden.policies"]
        assert conditions_of(harness.get(first))["Accepted"] == ("True", "OK")
        assert harness.binding().not_applicable == {}
        harness.cluster.remove(first)
        harness.controller.changed(key_of(first))
        await until(lambda: conditions_of(harness.get(second))["Published"] == ("True", "OK"))
        assert conditions_of(harness.get(second))["Accepted"] == ("True", "OK")


def in_force(harness: Harness, *names: str) -> dict[str, tuple[str, int]]:
    """Return by policy how it is accepted, and how many rules of it are on the log."""
    log = harness.log.topics["risk.streamwarden.policies"]
    rules = {
        name: len(json.loads(record.value or b"")["spec"]["rules"])
        for name in names
        if (record := log.get(f"policy/{name}".encode())) is not None
    }
    return {name: (conditions_of(harness.get(policy(name)))["Accepted"][0], rules.get(name, 0)) for name in names}


@pytest.mark.parametrize(
    "order",
    [
        pytest.param((("x", "y"),), id="both-at-once"),
        pytest.param((("y", "x"),), id="both-at-once-listed-the-other-way"),
        pytest.param((("x",), ("y",)), id="one-after-another"),
    ],
)
@pytest.mark.parametrize(
    ("before", "wanted", "expected"),
    [
        pytest.param(
            {"base": 1}, {"x": 2, "y": 2}, {"base": ("True", 1), "x": ("True", 2), "y": ("False", 0)}, id="new-ones"
        ),
        pytest.param({"x": 1, "y": 1}, {"x": 3, "y": 2}, {"x": ("True", 3), "y": ("False", 1)}, id="edits"),
    ],
)
async def test_two_policies_that_are_too_much_together_do_not_pass_the_limit_and_nobody_is_denied(
    order: tuple[tuple[str, ...], ...],
    before: dict[str, int],
    wanted: dict[str, int],
    expected: dict[str, tuple[str, int]],
) -> None:
    async with running(contract("pages"), COMMANDS, agent(), *(demanding(*each) for each in before.items())) as harness:
        for names in order:
            harness.put(*(newer(harness, demanding(name, wanted[name])) for name in names))
            await harness.settle()
        assert in_force(harness, *expected) == expected
        assert harness.binding().not_applicable == {}


async def test_an_edit_that_needs_what_another_gives_up_at_once_is_accepted_with_it() -> None:
    async with running(contract("pages"), COMMANDS, agent(), demanding("x", 1), demanding("y", 3)) as harness:
        harness.put(newer(harness, demanding("x", 3)), newer(harness, demanding("y", 1)))
        await harness.settle()
        assert in_force(harness, "x", "y") == {"x": ("True", 3), "y": ("True", 1)}
        assert harness.binding().not_applicable == {}


def newer(harness: Harness, made: Policy) -> Policy:
    """Return a policy as the API server has it, once it is applied: an edit of the one that is there, if one is."""
    known = harness.cluster.get(Policy, *name_of(made))
    if known is None:
        return made
    metadata = made.metadata.model_copy(update={"generation": 2})
    return made.model_copy(update={"metadata": metadata, "status": known.status})


# --- PolicyNotApplicable, BreaksPolicies, UntypedRules ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "denied"),
    [
        pytest.param({}, ", and decisions are denied", id="Enforce"),
        pytest.param({"failureAction": "Audit"}, "", id="Audit"),
    ],
)
async def test_x01_a_policy_says_for_whom_it_does_not_check_once_and_by_an_event(
    spec: dict[str, Any], denied: str
) -> None:
    half = policy("half", "'a' in decision.parameters.tags", **spec)
    async with running(contract("pages"), contract("notes"), COMMANDS, half, with_notes()) as harness:
        message = (
            "does not check for guard/note (rule 'r': 1:27: the schema does not say what 'tags' is read from: write "
            f"dyn(...) around what stands before the dot): there it is not applicable{denied}"
        )
        assert said(harness.get(half), "Accepted") == ("True", "PolicyNotApplicable", message)
        assert conditions_of(harness.get(half))["Published"] == ("True", "OK")
        assert harness.binding().not_applicable == {"note": ("half",)}
        assert events(harness, "PolicyNotApplicable") == [("Policy risk/half", message, True)]
        harness.put(harness.get(half))
        await harness.settle()
        assert len(events(harness, "PolicyNotApplicable")) == 1


async def test_x01_a_contract_says_which_policies_a_schema_breaks_once_and_by_an_event() -> None:
    reads = policy("reads", "'a' in decision.parameters.tags")
    async with running(contract("pages"), COMMANDS, reads, agent()) as harness:
        harness.put(edited(harness.get(COMMANDS), '{"type": "object", "properties": {"tag": {"type": "string"}}}'))
        await harness.settle()
        status, reason, message = said(harness.get(COMMANDS), "SchemaReady")
        assert (status, reason) == ("False", "BreaksPolicies")
        assert events(harness, "BreaksPolicies") == [("TopicContract risk/commands", message, True)]
        harness.put(harness.get(COMMANDS))
        await harness.settle()
        assert len(events(harness, "BreaksPolicies")) == 1
        harness.put(edited(harness.get(COMMANDS), OPEN))
        await harness.settle()
        assert said(harness.get(COMMANDS), "SchemaReady")[0] == "True"


# --- RulesFailing -----------------------------------------------------------------------------------------------------


def failing(harness: Harness, pod: str, at_least: int, rule: str = "r", at: datetime | None = None) -> None:
    """Let a gate say that a rule of the policy in force errs, and when it did last."""
    at_ms = None if at is None else int(at.timestamp() * 1000)
    (ref,) = (ref for ref in ack_of(harness.binding()).policies if ref.name == "reads")
    errors = RuleErrors(policy=ref, rule=rule, at_least=at_least, message="no such key: tags", last_error_at_ms=at_ms)
    harness.acks.say(ack_of(harness.binding(), pod, rule_errors=(errors,)))


FAILS = "rule 'r' of revision {} fails for some decisions: no such key: tags"


async def test_x02_a_policy_says_that_a_rule_errs_for_how_many_decisions_and_why() -> None:
    reads = policy("reads", "'a' in decision.parameters.tags")
    async with running(contract("pages"), COMMANDS, reads, agent()) as harness:
        harness.acks.say(ack_of(harness.binding(), "pod-1"))
        await harness.settle()
        assert "RulesFailing" not in conditions_of(harness.get(reads))
        failing(harness, "pod-0", 1)
        await until(lambda: "RulesFailing" in conditions_of(harness.get(reads)))
        first = "rule 'r' failed for 1 or more decisions at 1 gate (no such key: tags)"
        assert said(harness.get(reads), "RulesFailing") == ("True", "RuleError", first)
        assert conditions_of(harness.get(reads))["Ready"] == ("True", "OK")
        failing(harness, "pod-1", 100)
        await harness.settle()
        assert said(harness.get(reads), "RulesFailing")[2] == (
            "rule 'r' failed for 101 or more decisions at 2 gates (no such key: tags)"
        )
        assert events(harness, "RuleError") == [("Policy risk/reads", FAILS.format(1), True)]
        metadata = harness.get(reads).metadata.model_copy(update={"generation": 2})
        mended = policy("reads", "!has(decision.parameters.tags) || 'a' in decision.parameters.tags")
        harness.put(mended.model_copy(update={"metadata": metadata, "status": harness.get(reads).status}))
        await until(lambda: "RulesFailing" not in conditions_of(harness.get(reads)))


async def test_m11_failing_rules_are_one_event_a_rule_and_revision_however_many_pods_come_and_go() -> None:
    require = "'a' in decision.parameters.tags"
    reads = policy("reads", rules=[{"name": name, "require": require} for name in ("r", "another")])
    async with running(contract("pages"), COMMANDS, reads, agent()) as harness:
        for count, pod in enumerate(("pod-0", "pod-1", "pod-2")):
            failing(harness, pod, 10**count)
            await until(lambda: "RulesFailing" in conditions_of(harness.get(reads)))
            harness.acks.say(ack_of(harness.binding(), pod, state="Stopped"))
            await harness.settle()
        assert events(harness, "RuleError") == [("Policy risk/reads", FAILS.format(1), True)]
        failing(harness, "pod-3", 10, rule="another")
        await harness.settle()
        assert len(events(harness, "RuleError")) == 2, "another rule"
        metadata = harness.get(reads).metadata.model_copy(update={"generation": 2})
        again = policy("reads", "'b' in decision.parameters.tags")
        harness.put(again.model_copy(update={"metadata": metadata, "status": harness.get(reads).status}))
        await until(lambda: "RulesFailing" not in conditions_of(harness.get(reads)))
        failing(harness, "pod-4", 10)
        await until(lambda: "RulesFailing" in conditions_of(harness.get(reads)))
        await harness.settle()
        assert events(harness, "RuleError")[2:] == [
            ("Policy risk/reads", FAILS.format(harness.get(reads).status.revision), True)
        ]


async def test_m11_what_failed_is_known_at_zero_and_by_another_process_of_the_operator() -> None:
    reads = policy("reads", "'a' in decision.parameters.tags")
    async with running(contract("pages"), COMMANDS, reads, agent()) as harness:
        failing(harness, "pod-0", 10)
        await until(lambda: "RulesFailing" in conditions_of(harness.get(reads)))
        known = said(harness.get(reads), "RulesFailing")
        harness.acks.say(ack_of(harness.binding(), "pod-0", state="Stopped"))
        await harness.settle()
        assert said(harness.get(reads), "RulesFailing") == known
        await harness.controller.stop()
        harness.acks.acks.clear()
        harness.cluster.events.clear()
        harness.controller = harness.new_controller()
        await harness.controller.start()
        harness.put(*(harness.get(each) for each in (contract("pages"), COMMANDS, reads, agent())))
        harness.controller.caches_complete()
        await harness.settle()
        assert said(harness.get(reads), "RulesFailing") == known
        assert events(harness, "RuleError") == []


async def no_answer(*_: object) -> None:
    raise KubernetesUnavailableError("no answer")


async def test_m11_a_rule_is_forgotten_once_gates_have_judged_for_an_hour_without_an_error_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads, now = policy("reads", "'a' in decision.parameters.tags"), datetime(2026, 3, 1, tzinfo=UTC)
    async with running(contract("pages"), COMMANDS, reads, agent()) as harness:
        reconciler = PolicyReconciler(
            harness.cluster, harness.acks, harness.controller._logs, on_rollout=lambda *_: None, clock=lambda: now
        )
        harness.acks.on_ack = lambda *_: None  # this reconciler alone looks at what gates say

        async def later(**time: int) -> tuple[bool, float | None]:
            nonlocal now
            now += timedelta(**time)
            result = await reconciler.reconcile(key_of(reads))
            return "RulesFailing" in conditions_of(harness.get(reads)), result.requeue_after_s

        failing(harness, "pod-0", 10)
        assert await later() == (True, None)
        harness.acks.say(ack_of(harness.binding(), "pod-0", state="Stopped"))
        assert await later(days=3) == (True, None), "nobody judges"
        harness.acks.say(ack_of(harness.binding(), "pod-1", state="Starting"))
        assert await later(days=3) == (True, None), "nor yet"
        harness.acks.say(ack_of(harness.binding(), "pod-1"))
        assert await later() == (True, 3600)
        assert await later(minutes=59) == (True, 60)
        failing(harness, "pod-1", 1)
        assert await later(minutes=1) == (True, None), "it failed again"
        harness.acks.say(ack_of(harness.binding(), "pod-1"))
        assert await later(minutes=5) == (True, 3600)
        assert await later(hours=1) == (False, None)

        failing(harness, "pod-1", 1, at=now)
        assert await later(minutes=20) == (True, None)
        harness.acks.say(ack_of(harness.binding(), "pod-1", state="Stopped"))
        harness.acks.say(ack_of(harness.binding(), "pod-2"))
        assert await later(minutes=10) == (True, 1800), "the hour is that of the error"
        with monkeypatch.context() as patched:
            patched.setattr(KnownParams, "effective", no_answer)
            with pytest.raises(KubernetesUnavailableError):
                await later(minutes=10)
        assert await later() == (True, 1200), "what could not be looked at costs no time"
        with monkeypatch.context() as patched:
            patched.setattr(harness.cluster, "write_status", no_answer)
            with pytest.raises(KubernetesUnavailableError):
                await later(minutes=20)
        assert await later() == (False, None), "nor does what could not be written"


async def test_rules_that_a_gate_makes_up_are_passed_over_however_many_they_are() -> None:
    reads = policy("reads", "'a' in decision.parameters.tags")
    async with running(contract("pages"), COMMANDS, reads, agent()) as harness:
        (ref,) = ack_of(harness.binding()).policies
        for pod in range(6):
            names = ["No Such Rule!", *(f"made-up-{pod}-{number}" for number in range(15))]
            made_up = tuple(RuleErrors(policy=ref, rule=name, at_least=1) for name in names)
            harness.acks.say(ack_of(harness.binding(), f"pod-{pod}", rule_errors=made_up))
            await harness.settle()
        failing(harness, "pod-6", 5)
        await harness.settle()
        assert [rule.name for rule in harness.get(reads).status.failing_rules] == ["r"]


async def test_another_policy_s_errors_and_those_of_its_name_elsewhere_are_not_this_policy_s() -> None:
    reads = policy("reads", "'a' in decision.parameters.tags")
    async with running(contract("pages"), COMMANDS, reads, agent()) as harness:
        (ref,) = ack_of(harness.binding()).policies
        for other in (
            PolicyRef(namespace="risk", name="other", revision=1),
            ref.model_copy(update={"namespace": "streamwarden"}),
        ):
            errors = RuleErrors(policy=other, rule="r", at_least=5)
            harness.acks.say(ack_of(harness.binding(), "pod-1", rule_errors=(errors,)))
            await harness.settle()
            assert "RulesFailing" not in conditions_of(harness.get(reads))
        failing(harness, "pod-1", 5)
        await until(lambda: "RulesFailing" in conditions_of(harness.get(reads)))
