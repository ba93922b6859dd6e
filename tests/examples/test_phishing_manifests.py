import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from streamwarden_cli.local.admission import admit_all
from streamwarden_cli.local.manifests import read_manifests
from streamwarden_contract.models import AgentDeployment, Kind, Policy, TopicContract
from streamwarden_judging import rules
from streamwarden_judging.engine import Engine
from streamwarden_judging.verdicts import Verdict


@pytest.fixture
def kinds(example: Path) -> tuple[Kind, ...]:
    """The folder's resources, as ``streamwarden dev`` admits them."""
    admission = admit_all(read_manifests(example), {})
    assert admission.problems == ()
    return admission.resources


def of_kind(kinds: tuple[Kind, ...], kind: type) -> dict[str, Any]:
    own: list[Any] = [found for found in kinds if isinstance(found, kind)]
    return {found.metadata.name: found.spec for found in own}


def test_manifests_are_admitted_all_together(kinds: tuple[Kind, ...]) -> None:
    assert sorted(of_kind(kinds, TopicContract)) == [
        "page-commands",
        "page-outcomes",
        "pages-labelled",
        "pages-observed",
    ]
    assert sorted(of_kind(kinds, Policy)) == ["block-with-care", "publish-outcomes", "stricter-trial"]
    assert sorted(of_kind(kinds, AgentDeployment)) == ["page-blocker", "page-guard"]


def test_the_kustomization_names_every_file_of_manifests(example: Path) -> None:
    named = yaml.safe_load((example / "kustomization.yaml").read_text())["resources"]
    own = {file.name for file in example.glob("*.yaml") if file.name != "kustomization.yaml"}
    assert sorted(named) == sorted({"../../config/namespace", *own})


def test_nobody_outside_may_write_commands_or_outcomes(kinds: tuple[Kind, ...]) -> None:
    topics = of_kind(kinds, TopicContract)
    assert topics["page-commands"].access.producers == ()
    assert topics["page-outcomes"].access.producers == ()


def test_schemas_are_valid_json_schemas(kinds: tuple[Kind, ...]) -> None:
    for topic in of_kind(kinds, TopicContract).values():
        jsonschema.Draft202012Validator.check_schema(json.loads(topic.value_schema.definition))


def judged(kinds: tuple[Kind, ...], decision: dict[str, Any], role: str) -> Verdict:
    policies = [
        (rules.bind_policy("web", name, 1, spec), spec)
        for name, spec in of_kind(kinds, Policy).items()
        if spec.match.agent_selector.selects({"role": role})
    ]
    engine = Engine(rules.build_policy_set(policies, [decision["type"]]), agent={})
    return engine.judge(decision["type"], decision, datetime(2026, 1, 1, tzinfo=UTC))


def block_page(*, confidence: float = 0.97, established: bool = False, **changes: object) -> dict[str, Any]:
    return {
        "type": "block-page",
        "entity": "page-0001",
        "parameters": {"page": "page-0001", "score": confidence, "establishedDomain": established},
        "confidence": confidence,
        "reasoning": "phishing with probability 0.97; what counted most: https=0",
        **changes,
    }


@pytest.mark.parametrize(
    ("decision", "rule"),
    [
        pytest.param(block_page(), None, id="a sure decision is allowed"),
        pytest.param(block_page(confidence=0.79), "block-with-care/confident", id="an unsure one is denied"),
        pytest.param(
            block_page(confidence=0.85, established=True),
            "block-with-care/established-domain",
            id="an established domain asks for more",
        ),
        pytest.param(block_page(confidence=0.9, established=True), None, id="and is blocked by a surer decision"),
        pytest.param(block_page(entity="page-0002"), "block-with-care/own-page", id="another's page is denied"),
        pytest.param(block_page(reasoning=""), "block-with-care/explained", id="no reason, no block"),
    ],
)
def test_block_with_care(kinds: tuple[Kind, ...], decision: dict[str, Any], rule: str | None) -> None:
    verdict = judged(kinds, decision, "detection")
    assert (verdict.rule, verdict.effect) == (rule, "Deny" if rule else "Allow")


def test_the_trial_policy_denies_nothing_and_says_what_it_would(kinds: tuple[Kind, ...]) -> None:
    verdict = judged(kinds, block_page(confidence=0.85), "detection")
    assert verdict.effect == "Allow"
    assert [finding.rule for finding in verdict.would_deny] == ["stricter-trial/very-confident"]


@pytest.mark.parametrize(
    ("decision_type", "parameters", "effect"),
    [
        pytest.param("page.blocked", {"page": "page-0001", "command": "c"}, "Allow", id="blocked"),
        pytest.param("page.blocked", {"page": "page-0002", "command": "c"}, "Deny", id="another page"),
        pytest.param("page.block-failed", {"page": "page-0001", "command": "c", "error": "full"}, "Allow", id="failed"),
        pytest.param("page.block-failed", {"page": "page-0001", "command": "c"}, "Deny", id="failed without a cause"),
    ],
)
def test_publish_outcomes(kinds: tuple[Kind, ...], decision_type: str, parameters: dict[str, Any], effect: str) -> None:
    decision = {"type": decision_type, "entity": "page-0001", "parameters": parameters}
    assert judged(kinds, decision, "execution").effect == effect
