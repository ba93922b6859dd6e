"""Policies among the other resources of a folder: their rules, and their data, are checked as a cluster would."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from streamwarden_cli.local.admission import Admission, admit_all
from streamwarden_cli.local.manifests import Problem, read_manifests
from streamwarden_contract.models import Policy

SCHEMA = '{"type": "object", "properties": {"service": {"type": "string"}, "amount": {"type": "integer"}}}'


def governed_folder(folder: Path, policies: list[dict[str, Any]], *types: str, schema: str = SCHEMA) -> Admission:
    """Admit an agent whose first decision type has a schema, the others none, together with policies."""
    api = "streamwarden.io/v1alpha1"
    names = ["orders", *(f"topic-{kind}" for kind in types)]
    schemas = {f"topic-{types[0]}": {"schema": {"schema": schema}}}
    documents: list[dict[str, Any]] = [
        {
            "apiVersion": api,
            "kind": "TopicContract",
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"topicName": f"shop.{name}", **schemas.get(name, {})},
        }
        for name in names
    ]
    spec = {
        "image": "i",
        "agent": {"entrypoint": "a:b"},
        "inputs": [{"name": "in", "topicRef": {"name": "orders"}}],
        "decisions": [{"type": kind, "commandTopicRef": {"name": f"topic-{kind}"}} for kind in types],
    }
    metadata = {"name": "clerk", "namespace": "shop"}
    documents.append({"apiVersion": api, "kind": "AgentDeployment", "metadata": metadata, "spec": spec})
    for number, policy in enumerate(policies):
        metadata = {"name": f"p{number}", "namespace": "shop"}
        documents.append({"apiVersion": api, "kind": "Policy", "metadata": metadata, "spec": policy})
    (folder / "all.yaml").write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return admit_all(read_manifests(folder), {})


def ruled(require: str, **spec: object) -> dict[str, Any]:
    return {"rules": [{"name": "r", "require": require}], **spec}


def told(problems: tuple[Problem, ...]) -> list[tuple[str, str, str]]:
    return [(problem.field, problem.reason, problem.message) for problem in problems]


def test_what_is_read_without_a_type_is_told(tmp_path: Path) -> None:
    admission = governed_folder(tmp_path, [ruled("dyn(decision.parameters).x == 1")], "refund")
    assert told(admission.warnings) == [
        ("spec.rules", "DynamicParts", "no name is checked in what is read through dyn(...): decision.parameters")
    ]


@pytest.mark.parametrize(
    ("require", "message"),
    [
        pytest.param(
            '!has(decision.paramters) || decision.parameters.service != "payments"',
            "1:5: decision has no field 'paramters'; did you mean 'parameters'?",
            id="X01-a-letter-is-missing",
        ),
        pytest.param(
            'decision.parameters.servce != "payments"',
            "1:20: decision.parameters has no field 'servce'; did you mean 'service'?",
            id="X01-a-letter-of-a-parameter-is-missing",
        ),
    ],
)
def test_a_rule_is_checked_against_the_contracts_of_the_folder(tmp_path: Path, require: str, message: str) -> None:
    admission = governed_folder(tmp_path, [ruled(require)], "refund")
    assert told(admission.problems) == [("spec.rules[0].require", "InvalidExpression", message)]
    assert admission.resources == ()


def test_a_policy_that_does_not_check_for_one_type_of_several_is_told(tmp_path: Path) -> None:
    admission = governed_folder(tmp_path, [ruled("decision.parameters.amount < 5")], "refund", "void")
    assert admission.problems == ()
    assert told(admission.warnings) == [
        (
            "spec.rules",
            "PolicyNotApplicable",
            (
                "does not check for clerk/void (rule 'r': 1:20: the schema does not say what 'amount' is read from: "
                "write dyn(...) around what stands before the dot): there it is not applicable"
            ),
        ),
        ("spec.rules[0].require", "DoubtfulRule", AMOUNT),
    ]


AMOUNT = (
    "reads decision.parameters.amount, which a decision may leave out: that is an error then, and denies. "
    "Write !has(decision.parameters.amount) || ... where it may be missing, or demand it in the schema"
)


@pytest.mark.parametrize(
    ("require", "warnings"),
    [
        pytest.param("decision.parameters.amount < 5", [AMOUNT], id="read-alone"),
        pytest.param("!has(decision.parameters.amount) || decision.parameters.amount < 5", [], id="asked-for"),
        pytest.param("has(decision.parameters.amount) && decision.parameters.amount < 5", [], id="demanded-by-it"),
        pytest.param("has(decision.parameters.amount) ? decision.parameters.amount < 5 : false", [], id="a-choice"),
        pytest.param("decision.confidence > 0.5", [], id="what-no-schema-speaks-of"),
    ],
)
def test_n9_a_field_that_may_be_absent_is_told_where_nothing_asks_for_it(
    tmp_path: Path, require: str, warnings: list[str]
) -> None:
    admission = governed_folder(tmp_path, [ruled(require)], "refund")
    assert admission.problems == ()
    assert told(admission.warnings) == [("spec.rules[0].require", "DoubtfulRule", message) for message in warnings]


def test_n9_a_field_that_the_schema_demands_is_no_alarm(tmp_path: Path) -> None:
    schema = SCHEMA.replace('"type": "object",', '"type": "object", "required": ["amount"],')
    policies = [ruled("decision.parameters.amount < 5")]
    assert governed_folder(tmp_path, policies, "refund", schema=schema).warnings == ()


def test_policies_that_are_too_much_together_are_told_of_the_last_by_name(tmp_path: Path) -> None:
    require = "!has(decision.parameters.tags) || decision.parameters.tags.all(t, t.matches('^[a-z]+$'))"
    schema = '{"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}}}'
    costly = {"rules": [{"name": f"r{number}", "require": require} for number in range(3)]}
    admission = governed_folder(tmp_path, [costly, costly], "refund", schema=schema)
    message = (
        "1:1: all policies of the agent together may take 0.42 s for one decision, and at most 0.3 s is allowed: this "
        "one takes 0.21 s of it"
    )
    assert told(admission.problems) == [("spec.rules[0].require", "InvalidExpression", message)]
    assert admission.problems[0].line > 50
    assert governed_folder(tmp_path, [costly], "refund", schema=schema).problems == ()


LIMITS = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: limits
  namespace: shop
  labels: {app.kubernetes.io/part-of: streamwarden}
data:
  limits.yaml: |
    most: 100
"""
READS = """\
apiVersion: streamwarden.io/v1alpha1
kind: Policy
metadata: {name: refunds, namespace: shop}
spec:
  paramsFrom: {configMapKeyRef: {name: limits, key: limits.yaml}}
  rules:
  - name: small
    require: decision.confidence * 100.0 <= params.most
"""


def admitted_folder(folder: Path, limits: str, reads: str = READS) -> Admission:
    (folder / "limits.yaml").write_text(limits, encoding="utf-8")
    (folder / "policy.yaml").write_text(reads, encoding="utf-8")
    return admit_all(read_manifests(folder), {})


def test_data_from_a_config_map_of_the_folder_is_put_into_the_policy(tmp_path: Path) -> None:
    admission = admitted_folder(tmp_path, LIMITS)
    assert admission.problems == ()
    (found,) = admission.resources
    assert isinstance(found, Policy)
    assert (found.spec.params, found.spec.params_from) == ({"most": 100}, None)


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        pytest.param(
            LIMITS.replace("  labels: {app.kubernetes.io/part-of: streamwarden}\n", ""),
            "policy.yaml:5:34: spec.paramsFrom.configMapKeyRef.name: there is no ConfigMap 'limits' in the namespace "
            "'shop' with the label app.kubernetes.io/part-of=streamwarden",
            id="without-the-label",
        ),
        pytest.param(
            LIMITS.replace("most", "mots"),
            "policy.yaml:8:5: spec.rules[0].require: 1:38: params has no field 'most'; did you mean 'mots'?",
            id="another-name",
        ),
        pytest.param(
            LIMITS.replace("most: 100", "most: a"),
            "policy.yaml:8:5: spec.rules[0].require: 1:29: a double and a string cannot be compared",
            id="another-type",
        ),
        pytest.param(
            LIMITS.replace("most: 100", "most: {EUR: 1, CHF: a}"),
            "policy.yaml:8:5: spec.rules[0].require: 1:29: a double and params.most cannot be compared"
            " (params: 'limits.yaml' of the ConfigMap 'limits')",
            id="an-object",
        ),
        pytest.param(
            LIMITS.replace("most: 100", "most: [100"),
            "policy.yaml:5:48: spec.paramsFrom.configMapKeyRef.key: 'limits.yaml' of the ConfigMap 'limits': 2:1: "
            "not JSON or YAML: expected ',' or ']', but got '<stream end>'",
            id="broken",
        ),
        pytest.param(
            LIMITS.replace("|\n    most: 100", "100"),
            "limits.yaml:8:3: data[limits.yaml]: must be a string: write it as a block, with '|'",
            id="no-text",
        ),
        pytest.param(
            f"{LIMITS}---\n{LIMITS}",
            "limits.yaml:14:3: metadata.name: ConfigMap shop/limits is already in {folder}/limits.yaml:1",
            id="twice",
        ),
    ],
)
def test_data_that_cannot_be_used_is_told_with_its_place(tmp_path: Path, limits: str, said: str) -> None:
    found = [
        f"{Path(it.file).name}:{it.line}:{it.column}: {it.field}: {it.message}"
        for it in admitted_folder(tmp_path, limits).problems
    ]
    assert found == [said.replace("{folder}", str(tmp_path))]
