import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
import yaml
from streamwarden_contract import cel
from streamwarden_contract.judging import Verdict, judge
from streamwarden_contract.models import KINDS, AgentDeployment, Kind, Policy, TopicContract

BY_NAME = {kind.__name__: kind for kind in KINDS}


@pytest.fixture
def kinds(folder: Path) -> list[Kind]:
    resources = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    found = [document for file in resources for document in yaml.safe_load_all((folder / file).read_text())]
    for document in found:
        assert document.pop("apiVersion") == "streamwarden.io/v1alpha1"
    return [BY_NAME[document.pop("kind")].model_validate(document) for document in found]


def of_kind(kinds: list[Kind], kind: type) -> dict:
    return {found.metadata.name: found.spec for found in kinds if isinstance(found, kind)}


def test_manifests_say_what_the_models_take(kinds: list[Kind]) -> None:
    assert sorted(of_kind(kinds, TopicContract)) == [
        "page-commands",
        "page-outcomes",
        "pages-labelled",
        "pages-observed",
    ]
    assert sorted(of_kind(kinds, Policy)) == ["block-with-care", "publish-outcomes", "stricter-trial"]
    assert sorted(of_kind(kinds, AgentDeployment)) == ["page-blocker", "page-guard"]


def test_every_reference_is_there(kinds: list[Kind]) -> None:
    topics = of_kind(kinds, TopicContract)
    for agent in of_kind(kinds, AgentDeployment).values():
        for use in (*agent.inputs, *agent.outcomes, *agent.decisions):
            assert use.topic_ref.name in topics


def test_nobody_outside_may_write_commands_or_outcomes(kinds: list[Kind]) -> None:
    topics = of_kind(kinds, TopicContract)
    assert topics["page-commands"].access.producers == ()
    assert topics["page-outcomes"].access.producers == ()


def test_schemas_are_valid_json_schemas(kinds: list[Kind]) -> None:
    for topic in of_kind(kinds, TopicContract).values():
        jsonschema.Draft202012Validator.check_schema(json.loads(topic.value_schema.definition))


def judged(kinds: list[Kind], decision: dict, role: str) -> Verdict:
    policies = [
        (cel.compile_policy("web", name, 1, spec), spec)
        for name, spec in of_kind(kinds, Policy).items()
        if spec.match.agent_selector.selects({"role": role})
    ]
    facts = cel.activation(decision=decision, agent={}, now=datetime(2026, 1, 1, tzinfo=UTC))
    return judge(cel.build_policy_set(policies, [decision["type"]]), decision["type"], facts)


def block_page(*, confidence: float = 0.97, established: bool = False, **changes: object) -> dict:
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
def test_block_with_care(kinds: list[Kind], decision: dict, rule: str | None) -> None:
    verdict = judged(kinds, decision, "detection")
    assert (verdict.rule, verdict.effect) == (rule, "Deny" if rule else "Allow")


def test_the_trial_policy_denies_nothing_and_says_what_it_would(kinds: list[Kind]) -> None:
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
def test_publish_outcomes(kinds: list[Kind], decision_type: str, parameters: dict, effect: str) -> None:
    decision = {"type": decision_type, "entity": "page-0001", "parameters": parameters}
    assert judged(kinds, decision, "execution").effect == effect
