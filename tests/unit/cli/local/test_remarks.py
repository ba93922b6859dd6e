"""X49: what is accepted and hardly meant is told as a warning, with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.local.admission import admit_all
from streamwarden_cli.local.manifests import read_manifests

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "apiVersion: streamwarden.io/v1alpha1\nkind: {}\nmetadata: {{name: {}, namespace: risk{}}}\nspec:\n"
FOLDER = (
    HEAD.format("TopicContract", "urls", "")
    + "  topicName: risk.urls\n---\n"
    + HEAD.format("TopicContract", "blocks", "")
    + "  topicName: risk.blocks\n---\n"
    + HEAD.format("AgentDeployment", "guard", ", labels: {role: detection}")
    + """\
  image: guard:1
  agent: {entrypoint: "guard:agent"}
  inputs:
    - {name: urls, topicRef: {name: urls}, types: [url.observed]}
  decisions:
    - {type: block-url, commandTopicRef: {name: blocks}}
    - {type: allow-url, commandTopicRef: {name: blocks}}
"""
)
RULE = "  rules: [{name: sure, require: decision.confidence > 0.5}]\n"
NOT_COVERED = "spec.decisions[{}].type: no Enforce policy here has a rule for {!r}"
BLOCK, ALLOW = NOT_COVERED.format(0, "block-url"), NOT_COVERED.format(1, "allow-url")
NOTHING = "spec.match: covers no decision of any agent here"
NOBODY_THERE = f"{NOTHING}: it is for agents of its own namespace {{!r}}, and there are none"
NO_RULES = "spec.rules: an Enforce policy without rules allows all that it covers"


@pytest.mark.parametrize(
    ("namespace", "spec", "warnings"),
    [
        pytest.param("risk", RULE, [], id="all-is-covered"),
        pytest.param("risk", "  match: {decisions: [block-url]}\n" + RULE, [ALLOW], id="a-type-that-nobody-covers"),
        pytest.param(
            "risk", "  match: {decisions: [blok-url]}\n" + RULE, [BLOCK, ALLOW, NOTHING], id="a-type-that-nobody-has"
        ),
        pytest.param(
            "risk",
            "  match: {agentSelector: {matchLabels: {role: none}}}\n" + RULE,
            [BLOCK, ALLOW, NOTHING],
            id="a-selector-of-nobody",
        ),
        pytest.param("shop", RULE, [BLOCK, ALLOW, NOBODY_THERE.format("shop")], id="another-namespace"),
        pytest.param("risk", "  failureAction: Audit\n" + RULE, [BLOCK, ALLOW], id="on-trial-only"),
        pytest.param("risk", "  rules: []\n", [BLOCK, ALLOW, NO_RULES], id="enforced-without-rules"),
        pytest.param("risk", "  failureAction: Audit\n  rules: []\n", [BLOCK, ALLOW], id="on-trial-without-rules"),
    ],
)
def test_x49_what_has_no_effect_is_a_warning(tmp_path: Path, namespace: str, spec: str, warnings: list[str]) -> None:
    (tmp_path / "a.yaml").write_text(FOLDER)
    (tmp_path / "b.yaml").write_text(HEAD.format("Policy", "careful", "").replace("risk", namespace) + spec)

    admission = admit_all(read_manifests(tmp_path), {})

    assert admission.problems == ()
    assert [f"{found.field}: {found.message}" for found in admission.warnings] == warnings
    assert len(admission.resources) == 4


def test_x49_what_is_refused_has_no_warnings(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HEAD.format("Policy", "careful", "") + "  rules: [{name: a, require: 'x >'}]\n")

    admission = admit_all(read_manifests(tmp_path), {})

    assert (len(admission.problems), admission.warnings) == (1, ())


def test_an_entrypoint_that_names_a_file_is_a_warning_with_the_module_to_write(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FOLDER.replace("guard:agent", "guard.py:agent"))
    (tmp_path / "b.yaml").write_text(HEAD.format("Policy", "careful", "") + RULE)
    admission = admit_all(read_manifests(tmp_path), {})
    assert admission.problems == ()
    assert [(found.field, found.reason, found.message) for found in admission.warnings] == [
        (
            "spec.agent.entrypoint",
            "DoubtfulEntrypoint",
            "'guard.py' is a file, where a module is named: write 'guard:agent'",
        )
    ]


def test_an_annotation_that_nobody_hears_is_a_warning_at_its_place(tmp_path: Path) -> None:
    said = (
        "{streamwarden.io/pause-reconcilation: 'true', streamwarden.io/managed: 'no', streamwarden.io/orphan: 'true'}"
    )
    policy = HEAD.format("Policy", "careful", f", annotations: {said}") + RULE
    (tmp_path / "a.yaml").write_text(FOLDER)
    (tmp_path / "b.yaml").write_text(policy)
    admission = admit_all(read_manifests(tmp_path), {})
    assert admission.problems == ()
    assert [(found.line, found.field, found.reason, found.message) for found in admission.warnings] == [
        (
            3,
            "metadata.annotations[streamwarden.io/managed]",
            "UnheardAnnotation",
            'nobody hears the value \'no\': write "true" or "false"',
        ),
        (
            3,
            "metadata.annotations[streamwarden.io/pause-reconcilation]",
            "UnheardAnnotation",
            (
                "nobody hears this annotation: known are streamwarden.io/managed, streamwarden.io/orphan, "
                "streamwarden.io/pause-reconciliation, streamwarden.io/rotate-credentials"
            ),
        ),
    ]


def test_a_schema_that_nothing_fits_is_a_warning_at_its_place(tmp_path: Path) -> None:
    schema = """{"required": ["qty"], "properties": {"quantity": {"maxLenght": 3}}, "additionalProperties": false}"""
    (tmp_path / "a.yaml").write_text(
        HEAD.format("TopicContract", "urls", "") + f"  topicName: risk.urls\n  schema: {{schema: '{schema}'}}\n"
    )
    admission = admit_all(read_manifests(tmp_path), {})
    assert admission.problems == ()
    assert [(found.line, found.field, found.reason, found.message) for found in admission.warnings] == [
        (
            6,
            "spec.schema.schema",
            "DoubtfulSchema",
            "'maxLenght' is no keyword of JSON Schema, and checks nothing; did you mean 'maxLength'?",
        ),
        (
            6,
            "spec.schema.schema",
            "DoubtfulSchema",
            (
                "no object can be right: 'qty' is required, and additionalProperties: false forbids it; "
                "did you mean 'quantity'?"
            ),
        ),
    ]


def test_a_policy_whose_namespace_was_left_out_is_told_where_it_looks_for_agents(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(FOLDER)
    (tmp_path / "b.yaml").write_text(HEAD.format("Policy", "careful", "").replace(", namespace: risk", "") + RULE)

    admission = admit_all(read_manifests(tmp_path), {})

    assert [found.message for found in admission.warnings if found.reason == "CoversNothing"] == [
        f"{NOBODY_THERE.format('default')}".removeprefix("spec.match: ")
    ]
