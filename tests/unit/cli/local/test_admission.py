"""Admission of manifests without an API server: the corpus, updates, and what has to be looked at together."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from streamwarden_cli.generated.crd_yaml import structural_schema
from streamwarden_cli.local.admission import Admission, Admitted, admit, admit_all
from streamwarden_cli.local.manifests import read_manifests
from streamwarden_cli.local.structural import FieldProblem
from streamwarden_contract.models import AgentDeployment, Kind, Policy, TopicContract
from streamwarden_operator.desired.yaml_nodes import field_text

ROOT = Path(__file__).parents[4]
AS_A_USER = "write it as in User:page-crawler; it must match ^User:[a-zA-Z0-9][a-zA-Z0-9_-]{0,99}$"
CORPUS = ROOT / "tests" / "corpus" / "manifests"


def corpus(*parts: str) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(CORPUS.joinpath(*parts).rglob("*.yaml"))]


def contract(**spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "streamwarden.io/v1alpha1",
        "kind": "TopicContract",
        "metadata": {"name": "orders", "namespace": "shop"},
        "spec": {"topicName": "shop.orders", **spec},
    }


def admitted(manifest: dict[str, Any], old: Kind | None = None) -> Kind:
    outcome = admit(manifest, old)
    assert isinstance(outcome, Admitted), outcome
    return outcome.resource


def shown(outcome: Admitted | list[FieldProblem]) -> list[str]:
    assert isinstance(outcome, list)
    return [f"{field_text(problem.path)}: {problem.message}" for problem in outcome]


@pytest.mark.parametrize("path", corpus("good"))
def test_a_good_manifest_is_admitted(path: Path) -> None:
    admission = admit_all(read_manifests(path), {})
    assert admission.problems == ()
    assert admission.resources


@pytest.mark.parametrize("path", corpus("bad"))
def test_a_bad_manifest_is_refused_at_the_field_that_its_first_line_names(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    field, message = text.splitlines()[0].removeprefix("# ").split(": ", 1)
    admission = admit_all(read_manifests(path), {})
    assert admission.resources == ()
    found = [problem for problem in admission.problems if problem.field == field and message in problem.message]
    assert len(found) == 1, [str(problem) for problem in admission.problems]
    assert found[0].file == str(path)
    assert 1 < found[0].line <= text.count("\n") + 1
    assert not any("pydantic" in problem.message for problem in admission.problems)


@pytest.mark.parametrize("path", corpus("bad", "schema"))
def test_what_the_schema_refuses_needs_no_other_resource(path: Path) -> None:
    manifests = read_manifests(path).manifests
    assert any(not isinstance(admit(manifest.value, None), Admitted) for manifest in manifests)


@pytest.mark.parametrize("path", corpus("bad", "set"))
def test_what_is_wrong_only_together_is_right_alone(path: Path) -> None:
    assert all(isinstance(admit(manifest.value, None), Admitted) for manifest in read_manifests(path).manifests)


def test_the_samples_pass_together() -> None:
    reading = read_manifests(ROOT / "config" / "samples")
    admission = admit_all(reading, {})
    assert (reading.problems, reading.notes, admission.problems) == ((), (), ())
    assert {type(resource) for resource in admission.resources} == {TopicContract, Policy, AgentDeployment}


def test_the_samples_pass_the_models_as_they_are() -> None:
    kinds = {"TopicContract": TopicContract, "Policy": Policy, "AgentDeployment": AgentDeployment}
    for path in sorted((ROOT / "config" / "samples").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            kinds[document["kind"]].model_validate({"metadata": document["metadata"], "spec": document["spec"]})


def test_one_bad_manifest_keeps_all_from_being_applied(tmp_path: Path) -> None:
    for path in (ROOT / "config" / "samples").glob("*.yaml"):
        shutil.copy(path, tmp_path)
    shutil.copy(CORPUS / "bad" / "schema" / "rule-twice.yaml", tmp_path / "z.yaml")
    assert admit_all(read_manifests(tmp_path), {}) == Admission(
        problems=(admit_all(read_manifests(tmp_path / "z.yaml"), {}).problems)
    )


def test_all_problems_of_a_manifest_are_found_at_once() -> None:
    manifest = contract(partitions="3", kee="None", access={"producers": ["web", "User:*"]}, config={"a": True})
    assert shown(admit(manifest, None)) == [
        "spec.kee: unknown field; did you mean 'key'?",
        "spec.partitions: must be an integer, not '3'",
        "spec.config.a: must be a string or an integer, not true; put it in quotes",
        f"spec.access.producers[0]: 'web': {AS_A_USER}",
        f"spec.access.producers[1]: 'User:*': {AS_A_USER}",
    ]


def test_a_json_schema_that_is_written_as_yaml_is_told_how_to_write_it() -> None:
    assert shown(admit(contract(schema={"schema": {"type": "object"}}), None)) == [
        "spec.schema.schema: must be a string, not a mapping; write it as a block, with '|'"
    ]


def test_each_missing_field_is_named_once() -> None:
    manifest = {**contract(), "kind": "AgentDeployment", "spec": {}}
    assert shown(admit(manifest, None)) == [
        f"spec.{field}: required, and missing" for field in ("image", "agent", "inputs", "decisions")
    ]


def test_defaults_are_those_of_the_models() -> None:
    resource = admitted(contract())
    model = TopicContract.model_validate({"metadata": contract()["metadata"], "spec": contract()["spec"]})
    assert isinstance(resource, TopicContract)
    assert resource.spec == model.spec


def test_null_is_as_good_as_left_out_where_there_is_a_default() -> None:
    resource = admitted(contract(partitions=None, access={"producers": None}, config=None))
    assert resource.model_dump(include={"spec"}) == admitted(contract()).model_dump(include={"spec"})


def test_null_is_no_value_of_a_field_without_a_default() -> None:
    manifest = contract(schema=None, replicas=None, config={"retention.ms": None})
    assert shown(admit(manifest, None)) == [
        "spec.replicas: must be an integer, not null",
        "spec.config[retention.ms]: must be a string or an integer, not null",
        "spec.schema: must be a mapping, not null",
    ]


def test_a_status_in_a_manifest_is_passed_over() -> None:
    resource = admitted({**contract(), "status": {"topicId": "forged", "nonsense": 1}})
    assert isinstance(resource, TopicContract)
    assert resource.status.topic_id == ""


def test_what_the_store_owns_is_not_taken_from_a_manifest() -> None:
    manifest = contract()
    manifest["metadata"] |= {"uid": "forged", "generation": 99, "creationTimestamp": "1970-01-01T00:00:00Z"}
    resource = admitted(manifest)
    assert isinstance(resource, TopicContract)
    assert (resource.metadata.uid, resource.metadata.generation, resource.metadata.creation_timestamp) == ("", 1, "")


@pytest.mark.parametrize("metadata", [None, {}, "orders", [], {"name": 5}, {"name": "x", "namespace": ""}], ids=repr)
def test_strange_metadata_is_refused(metadata: object) -> None:
    assert shown(admit({**contract(), "metadata": metadata}, None))  # type: ignore[dict-item]  # strange on purpose


IMMUTABLE = "immutable: make a new contract"


@pytest.mark.parametrize(
    ("before", "after", "field", "message"),
    [
        pytest.param({}, {"topicName": "shop.other"}, "spec.topicName", IMMUTABLE, id="the-topic-s-name"),
        pytest.param({}, {"key": "None"}, "spec.key", IMMUTABLE, id="the-key"),
        pytest.param({"key": "None"}, {}, "spec.key", IMMUTABLE, id="the-key-by-leaving-it-out"),
        pytest.param({"partitions": 3}, {}, "spec.partitions", "never shrink", id="F32-fewer-partitions"),
        pytest.param(
            {}, {"partitions": 3}, "spec.partitions", "of a keyed topic", id="F35-partitions-of-a-keyed-topic"
        ),
    ],
)
def test_a_change_is_refused(before: dict[str, Any], after: dict[str, Any], field: str, message: str) -> None:
    old = admitted(contract(**before))
    outcome = admit(contract(**after), old)
    assert any(text.startswith(f"{field}: ") and message in text for text in shown(outcome))
    assert isinstance(admit(contract(**after), None), Admitted)


def test_more_partitions_of_a_topic_without_keys_are_allowed() -> None:
    resource = admitted(contract(key="None", partitions=3), admitted(contract(key="None")))
    assert isinstance(resource, TopicContract)
    assert (resource.spec.partitions, resource.metadata.generation) == (3, 2)


def test_the_generation_follows_the_spec_and_nothing_else() -> None:
    old = admitted(contract(config={"retention.ms": 5}))
    labelled = {
        **contract(config={"retention.ms": 5}),
        "metadata": {"name": "orders", "namespace": "shop", "labels": {"a": "b"}},
    }
    for manifest, generation in (
        (contract(config={"retention.ms": 5}), 1),
        (contract(config={"retention.ms": 5}, partitions=1), 1),
        (labelled, 1),
        (contract(config={"retention.ms": 6}), 2),
    ):
        resource = admitted(manifest, old)
        assert isinstance(resource, TopicContract)
        assert resource.metadata.generation == generation


def test_a_default_filled_in_is_no_change() -> None:
    first = admitted(contract())
    second = admitted(contract(partitions=1, key="Entity", deletionPolicy="Retain"), first)
    assert isinstance(second, TopicContract)
    assert second.metadata.generation == 1


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 20_000)
    | st.sampled_from(["", "a", "1s", "0s", "Deny", "User:a", "shop.a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "require", "topicRef", "type", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def specs(draw: st.DrawFn, kind: type[Kind]) -> dict[str, Any]:
    """Draw something near a spec: the kind's own fields, with values that may fit."""
    schema: Any = structural_schema(kind)["properties"]
    return draw(st.dictionaries(st.sampled_from(sorted(schema["spec"]["properties"])), values, max_size=4))


BASES: dict[type[Kind], dict[str, Any]] = {
    TopicContract: {"topicName": "shop.orders"},
    Policy: {},
    AgentDeployment: {
        "image": "i",
        "agent": {"entrypoint": "a:b"},
        "inputs": [{"name": "a", "topicRef": {"name": "a"}}],
        "decisions": [{"type": "a", "commandTopicRef": {"name": "a"}}],
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(BASES), ids=lambda kind: str(kind.__name__))
@given(data=st.data())
def test_whatever_the_schema_admits_the_models_understand(kind: type[Kind], data: st.DataObject) -> None:
    spec = {**BASES[kind], **data.draw(specs(kind))}
    manifest = {**contract(), "kind": kind.__name__, "spec": spec}
    outcome = admit(manifest, None)  # a ValidationError here is a model that refuses what its schema admits
    if isinstance(outcome, Admitted):
        again = outcome.resource.model_dump(mode="json", by_alias=True, exclude_none=True, include={"spec"})
        assert admitted({**manifest, **again}).model_dump(include={"spec"}) == outcome.resource.model_dump(
            include={"spec"}
        )


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        pytest.param(Policy, {"rules": [{"name": "a", "require": "true"}] * 2}, id="a-rule-twice"),
        pytest.param(Policy, {"match": {"decisions": ["a", "a"]}}, id="a-word-twice"),
        pytest.param(TopicContract, {"access": {"consumers": ["User:a", "User:a"]}}, id="a-principal-twice"),
        pytest.param(AgentDeployment, {"retry": {"backoff": {"cap": "0s"}}}, id="a-duration-of-zero"),
    ],
)
def test_what_needs_more_than_a_schema_both_refuse(kind: type[Kind], spec: dict[str, Any]) -> None:
    spec = {**BASES[kind], **spec}
    manifest = {**contract(), "kind": kind.__name__, "spec": spec}
    assert shown(admit(manifest, None))
    with pytest.raises(ValidationError):
        kind.model_validate({"metadata": {"name": "a"}, "spec": spec})


def test_a_reference_to_nothing_tells_what_may_be_meant() -> None:
    admission = admit_all(read_manifests(CORPUS / "bad" / "set" / "unknown-command-topic.yaml"), {})
    assert [problem.message for problem in admission.problems if "did you mean 'refunds'?" in problem.message]


# --- policies among agents ------------------------------------------------------------------------------------------


def test_a_contract_of_the_name_in_another_namespace_is_told(tmp_path: Path) -> None:
    there = contract()
    reads = {
        "apiVersion": "streamwarden.io/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": "clerk"},
        "spec": {
            "image": "i",
            "agent": {"entrypoint": "a:b"},
            "inputs": [{"name": "in", "topicRef": {"name": "orders"}}],
            "decisions": [{"type": "refund", "commandTopicRef": {"name": "order"}}],
        },
    }
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([there, reads]), encoding="utf-8")
    said = {problem.field: problem.message for problem in admit_all(read_manifests(tmp_path), {}).problems}
    assert said["spec.inputs[0].topicRef.name"] == (
        "there is no TopicContract 'orders' in the namespace 'default'; "
        "there is one in 'shop': is metadata.namespace right?"
    )
    assert said["spec.decisions[0].commandTopicRef.name"] == (
        "there is no TopicContract 'order' in the namespace 'default'"
    )


def test_a_duration_in_days_is_told_the_largest_unit() -> None:
    agent: dict[str, Any] = {
        "apiVersion": "streamwarden.io/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": "clerk", "namespace": "shop"},
        "spec": {
            "image": "i",
            "agent": {"entrypoint": "a:b"},
            "inputs": [{"name": "in", "topicRef": {"name": "orders"}}],
            "decisions": [{"type": "refund", "commandTopicRef": {"name": "orders"}, "expiresAfter": "2d"}],
        },
    }
    [said] = shown(admit(agent, None))
    assert said.startswith(
        "spec.decisions[0].expiresAfter: '2d': write it as in 1s or 1h30m (the largest unit is the hour: a day is 24h)"
    )


@pytest.mark.slow
def test_f03_a_folder_s_agent_that_reads_more_schemas_than_a_config_map_holds_is_refused(tmp_path: Path) -> None:
    reads = [f"in{number}" for number in range(11)]
    schemas = {name: json.dumps({"title": name, "description": '"' * 27_440}) for name in reads}
    documents = [
        contract(topicName=f"shop.{name}", schema={"schema": text}) | {"metadata": {"name": name, "namespace": "shop"}}
        for name, text in schemas.items()
    ]
    agent = {
        "apiVersion": "streamwarden.io/v1alpha1",
        "kind": "AgentDeployment",
        "metadata": {"name": "clerk", "namespace": "shop"},
        "spec": {
            "image": "i",
            "agent": {"entrypoint": "a:b"},
            "inputs": [{"name": name, "topicRef": {"name": name}} for name in reads],
            "decisions": [{"type": "refund", "commandTopicRef": {"name": "orders"}}],
        },
    }
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([contract(), *documents, agent]), encoding="utf-8")
    [problem] = admit_all(read_manifests(tmp_path), {}).problems
    assert "at most 983040 go into the ConfigMap of its pods: in10 (" in problem.message
