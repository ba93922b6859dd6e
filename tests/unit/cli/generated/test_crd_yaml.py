"""CRDs made from the models."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, cast

import pytest
import yaml
from pydantic import Field, create_model
from streamwarden_cli.generated import crd_yaml
from streamwarden_cli.generated.crd_yaml import NotStructuralError, Schema
from streamwarden_cli.main import app
from streamwarden_contract.models import KINDS, AgentDeployment, Kind, Policy, TopicContract
from streamwarden_contract.models.base import Metadata, Resource
from support.commands import CliRunner

ROOT = Path(__file__).parents[4]
_STRUCTURAL = {
    "type", "description", "default", "properties", "required", "items", "additionalProperties", "enum", "pattern",
    "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "maxProperties", "anyOf",
    "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
}  # fmt: skip


def nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in cast("dict[str, Schema]", schema.get("properties", {})).items():
        yield from nodes(child, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if keyword in schema:
            yield from nodes(cast("Schema", schema[keyword]), f"{path}[]")


def at(kind: type[Kind], path: str) -> dict[str, Any]:
    return dict(nodes(crd_yaml.structural_schema(kind)))[path]


ALL = [pytest.param(kind, id=kind.__name__) for kind in KINDS]


@pytest.mark.parametrize("kind", ALL)
def test_the_manifests_in_the_repository_are_up_to_date(kind: type[Kind]) -> None:
    assert (ROOT / "crds" / f"{kind.plural}.yaml").read_text(encoding="utf-8") == crd_yaml.render(kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ALL)
def test_the_text_says_what_was_built(kind: type[Kind]) -> None:
    assert yaml.safe_load(crd_yaml.render(kind)) == crd_yaml.build_crd(kind)


@pytest.mark.parametrize("kind", ALL)
def test_only_structural_keywords_and_each_field_is_described_and_bounded(kind: type[Kind]) -> None:
    for path, node in nodes(crd_yaml.structural_schema(kind)):
        assert node.keys() <= _STRUCTURAL, path
        if path not in {".apiVersion", ".kind", ".metadata"}:
            assert "description" in node or path.endswith("[]"), path
            assert node.get("type") != "string" or node.keys() & {"maxLength", "enum"}, path
        assert node.get("type") != "array" or {"maxItems", "x-kubernetes-list-type"} <= node.keys(), path
        assert "additionalProperties" not in node or ("properties" not in node and "maxProperties" in node), path
        assert "type" in node or node["x-kubernetes-int-or-string"] is True, path


@pytest.mark.parametrize("kind", ALL)
def test_a_default_is_never_in_the_status(kind: type[Kind]) -> None:
    defaults = [path for path, node in nodes(crd_yaml.structural_schema(kind)) if "default" in node]
    assert defaults
    assert not [path for path in defaults if path.startswith(".status")]


@pytest.mark.parametrize("kind", ALL)
def test_the_metadata_is_left_to_kubernetes(kind: type[Kind]) -> None:
    assert at(kind, ".metadata") == {"type": "object"}


@pytest.mark.parametrize(
    ("kind", "short_name", "columns"),
    [
        (TopicContract, "tct", ["Topic", "Partitions", "Schema", "Ready", "Reason", "Age"]),
        (Policy, "swpol", ["Action", "Revision", "Gates", "Updated", "Ready", "Reason", "Age"]),
        (AgentDeployment, "agd", ["Replicas", "Gate", "Ready", "Reason", "Age"]),
    ],
)
def test_names_and_columns(kind: type[Kind], short_name: str, columns: list[str]) -> None:
    spec: Any = crd_yaml.build_crd(kind)["spec"]
    assert (spec["names"]["shortNames"], spec["names"]["categories"]) == ([short_name], ["streamwarden"])
    assert [column["name"] for column in spec["versions"][0]["additionalPrinterColumns"]] == columns
    assert spec["versions"][0]["subresources"] == {"status": {}}


def test_lists_of_objects_have_keys_and_lists_of_words_are_sets() -> None:
    lists = {
        path: (node["x-kubernetes-list-type"], node.get("x-kubernetes-list-map-keys"))
        for kind in KINDS
        for path, node in nodes(crd_yaml.structural_schema(kind))
        if "x-kubernetes-list-type" in node
    }
    assert lists[".spec.access.producers"] == lists[".spec.match.decisions"] == ("set", None)
    assert lists[".spec.rules"] == lists[".spec.inputs"] == lists[".spec.env"] == ("map", ["name"])
    assert lists[".spec.decisions"] == lists[".status.conditions"] == ("map", ["type"])
    assert lists[".spec.volumeMounts"] == ("map", ["mountPath"])
    assert lists[".status.rollout.rejected"] == ("atomic", None)


def test_rules_with_and_without_the_old_value() -> None:
    rules = {rule["rule"]: rule for rule in at(TopicContract, ".spec")["x-kubernetes-validations"]}
    assert rules["self.topicName == oldSelf.topicName"] == {
        "rule": "self.topicName == oldSelf.topicName",
        "message": "topicName is immutable: make a new contract",
        "fieldPath": ".topicName",
    }
    assert "oldSelf" not in at(AgentDeployment, ".spec")["x-kubernetes-validations"][0]["rule"]
    assert "self.metadata.name" in at(AgentDeployment, "")["x-kubernetes-validations"][0]["rule"]


def test_a_rule_on_which_of_several_fields_are_there_is_shown_at_the_object() -> None:
    (rule,) = at(AgentDeployment, ".spec.volumes[]")["x-kubernetes-validations"]
    assert rule["rule"].startswith("[has(self.emptyDir), has(self.configMap)")
    assert "fieldPath" not in rule


def test_keys_of_a_map_are_judged_by_cel() -> None:
    assert at(TopicContract, ".spec.config")["x-kubernetes-validations"][0]["rule"] == (
        "self.all(k, k.matches('^[a-z][a-z.]{1,99}$'))"
    )


def test_a_string_or_an_integer() -> None:
    assert at(TopicContract, ".spec.config[]") == {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "maxLength": 1024,
        "x-kubernetes-int-or-string": True,
    }


def test_an_optional_field_is_left_out_and_never_null() -> None:
    replicas = at(TopicContract, ".spec.replicas")
    assert (replicas["type"], replicas["minimum"], "default" in replicas) == ("integer", 1, False)
    assert "replicas" not in at(TopicContract, ".spec")["required"]


class Whole(Resource):
    """A model of a test."""

    bounded: Annotated[tuple[int, ...], Field(max_length=2)] = ()
    """Fine."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        pytest.param(Annotated[int, Field(gt=0)], "exclusiveMinimum cannot be said in a CRD", id="exclusive-minimum"),
        pytest.param(Annotated[int, Field(multiple_of=2)], "multipleOf cannot be said in a CRD", id="multiple-of"),
        pytest.param(int | bool, "the only union that a CRD can say", id="a-union"),
        pytest.param(Whole | str, "the only union that a CRD can say", id="a-union-with-a-model"),
        pytest.param(tuple[int, ...], "a list must have a maximum length", id="an-endless-list"),
        pytest.param(dict[str, str], "a map must have a maximum size", id="an-endless-map"),
        pytest.param(tuple[int, str], "prefixItems cannot be said in a CRD", id="a-tuple-of-two"),
        pytest.param(Metadata, "an object must be a Resource", id="a-model-that-takes-anything"),
    ],
)
def test_what_a_crd_cannot_say_is_an_error(annotation: Any, message: str) -> None:
    spec = create_model("StrangeSpec", __base__=Resource, field=annotation)
    strange = create_model("Strange", __base__=Kind, spec=spec, status=Whole)
    with pytest.raises(NotStructuralError, match=message):
        crd_yaml.structural_schema(strange)


@pytest.mark.slow
def test_generate_writes_what_check_wants(tmp_path: Path) -> None:
    runner = CliRunner()
    folder = str(tmp_path / "crds")
    missing = runner.invoke(app, ["crds", "check", "--out", folder])
    assert missing.exit_code == 1
    assert runner.invoke(app, ["crds", "generate", "--out", folder]).exit_code == 0
    good = runner.invoke(app, ["crds", "check", "--out", folder])
    assert (good.exit_code, good.output) == (0, "")


@pytest.mark.slow
def test_check_names_what_is_stale_and_what_to_run(tmp_path: Path) -> None:
    runner = CliRunner()
    runner.invoke(app, ["crds", "generate", "--out", str(tmp_path)])
    (tmp_path / "policies.yaml").write_text("kind: Other\n", encoding="utf-8")
    result = runner.invoke(app, ["crds", "check", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr == f"out of date: {tmp_path / 'policies.yaml'}; run 'streamwarden crds generate'\n"
