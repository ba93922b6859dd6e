"""Every name on the page for whoever is on call is there, and each reason that keeps an agent from judging is on it."""

import inspect
import re
import shlex
from pathlib import Path

import pytest
import typer
import yaml
from streamwarden_cli.main import app
from streamwarden_cli.session import screen
from streamwarden_contract.audit import AuditRecord
from streamwarden_contract.models import KINDS, Policy
from streamwarden_contract.names import AgentNames, InstallationNames
from streamwarden_contract.reasons import ConditionReason
from streamwarden_judging.rules import compile_rule
from streamwarden_operator.desired import acceptance
from streamwarden_operator.desired.checks import agent_summary, agents
from streamwarden_operator.desired.names import INSTANCE_LABEL
from streamwarden_operator.desired.pod_template import AGENT_CONTAINER, GATE_CONTAINER
from streamwarden_operator.errors import CannotGoOnError, KafkaTooOldError, OperatorError, SigningKeyLostError
from streamwarden_operator.reconcilers.agents.access import BypassPossibleError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGE = (DOCS / "operate.md").read_text(encoding="utf-8").split("\n## No commands flow\n", 1)[1].split("\n## ", 1)[0]
NAMES = AgentNames("risk", "guard")
REFUSALS = inspect.getsource(acceptance)
REASONS = {reason.value for reason in ConditionReason}


def column(head: str) -> list[str]:
    """Return the first cells of the table with this head."""
    lines = PAGE.split(f"\n| {head} |", 1)[1].split("\n\n", 1)[0].splitlines()
    return [line.split("|")[1] for line in lines[2:]]


def quoted(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))


def test_what_step_two_lists_are_reasons_of_conditions() -> None:
    assert quoted("".join(column("reason"))) - REASONS == {"ScalingActive"}


def test_each_reason_that_keeps_an_agent_from_judging_is_listed() -> None:
    text = "".join(map(inspect.getsource, (agents, agent_summary)))
    found = {ConditionReason[name].value for name in re.findall(r"ConditionReason\.([A-Z_]+)", text)}
    harmless = {"OK", "ScaledToZero", "RecordsSkipped", "NotCovered", "PolicyNotApplicable", "SkipRefused"}
    harmless |= {"CredentialsRotating"}
    assert len(found) > len(harmless)
    assert found - harmless - quoted("".join(column("reason"))) == set()


def kinds_of_errors(found: type[OperatorError]) -> set[type[OperatorError]]:
    """Return a class of errors, and all that it has below it."""
    below = set(found.__subclasses__()).union(*map(kinds_of_errors, found.__subclasses__()))
    return {found} | {kind for kind in below if kind.__module__.startswith("streamwarden_operator.")}


def test_each_reason_that_an_error_or_a_refusal_gives_an_agent_is_listed() -> None:
    refused = {ConditionReason[name].value for name in re.findall(r"ConditionReason\.([A-Z_]+)", REFUSALS)}
    found = {error.reason.value for error in kinds_of_errors(BypassPossibleError) | kinds_of_errors(OperatorError)}
    elsewhere = {"KafkaTooOld", "RegistryUnavailable"}  # ends the operator; of a TopicContract
    assert {"BypassPossible", "Forbidden", "NameNotAllowed"} <= found | refused
    assert (found | refused) - elsewhere - quoted("".join(column("reason"))) == set()


def test_conditions_and_reasons_in_sentences_are_there() -> None:
    words = {word for word in quoted(PAGE) if re.fullmatch(r"([A-Z][a-z]+){2,}", word)}
    conditions = {condition for kind in KINDS for condition in kind.conditions}
    told = {kind.__name__.removesuffix("Error") for kind in (SigningKeyLostError, CannotGoOnError, KafkaTooOldError)}
    assert words - conditions >= told
    assert words - REASONS - conditions <= told


def commands() -> list[str]:
    """Return what is typed of ``streamwarden``."""
    return [line.removeprefix("$ ") for line in PAGE.splitlines() if line.startswith("$ streamwarden")] + [
        text for text in sorted(quoted(PAGE)) if text.startswith("streamwarden ") and "\n" not in text
    ]


@pytest.mark.parametrize("line", commands())
def test_commands_and_their_options_are_there(line: str) -> None:
    _, *words = shlex.split(line)
    command = typer.main.get_command(app)
    while words and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]  # groups have commands
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} - options == set()


def test_there_are_commands_on_it() -> None:
    assert [line.split(" -")[0] for line in sorted(commands())] == [
        "streamwarden audit verify",
        "streamwarden gate skip",
        "streamwarden watch",
    ]


def test_metrics_settings_and_kafka_s_names_are_there() -> None:
    names, metrics = quoted(PAGE), (DOCS / "reference/metrics.md").read_text(encoding="utf-8")
    used = {name.split(" ")[0] for name in names if name.startswith("streamwarden_")}
    assert used
    assert {name for name in used if f"`{name}`" not in metrics} == set()
    settings = (DOCS / "reference/settings.md").read_text(encoding="utf-8")
    assert {name for name in names if name.startswith("STREAMWARDEN_") and f"`{name}`" not in settings} == set()
    own = {name for name in names if re.fullmatch(r"(risk|streamwarden)\.[a-z.]+", name)}
    assert own == {NAMES.shared.policies, InstallationNames().guardrails, NAMES.gate_principal}


def test_nobody_is_led_to_rights_that_end_pods_by_who_may_see_where_the_flow_ends() -> None:
    """READ on decisions is a way round the gate unless its principal is trusted, and `watch` takes it."""
    step = PAGE.split("\n**4. ", 1)[1].split("```console", 1)[0]
    assert {"STREAMWARDEN_TRUSTED_PRINCIPALS", "BypassPossible"} <= quoted(step)


def test_columns_containers_and_labels_are_there() -> None:
    shown = {word for cell in column("what it shows") for word in quoted(cell)}
    assert shown
    assert shown - set(screen._COLUMNS) == set()
    assert set(re.findall(r" -c (\w+)", PAGE)) == {GATE_CONTAINER, AGENT_CONTAINER}
    assert f"{INSTANCE_LABEL}=guard" in PAGE
    assert {"message", "rule", "deadLetter"} <= quoted(PAGE) & AuditRecord.__annotations__.keys()


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)\s]*#[^)\s]+)\)", PAGE))
def test_links_lead_to_headings(link: str) -> None:
    file, anchor = link.split("#")
    text = (DOCS / (file or "operate.md")).read_text(encoding="utf-8")
    assert anchor in {slug(line.lstrip("#")) for line in text.splitlines() if line.startswith("#")}


def test_the_policy_that_stops_an_agent_is_one_that_judges() -> None:
    section = (DOCS / "operate.md").read_text(encoding="utf-8").split("\n## Stop one agent now\n", 1)[1]
    manifest = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)[0])
    found = Policy.model_validate({name: manifest[name] for name in ("metadata", "spec")})
    assert [rule.require for rule in found.spec.rules] == ["false"]
    assert all(compile_rule(rule.require) for rule in found.spec.rules)
    assert found.spec.failure_action == "Enforce"
