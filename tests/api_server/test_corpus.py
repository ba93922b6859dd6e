"""One corpus, two judges: what ``dev`` says of a manifest, the API server and the operator say of it too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from streamwarden_cli.local.admission import admit_all
from streamwarden_cli.local.manifests import read_manifests
from support.api_server import OPERATOR_USER, ROOT
from support.kubernetes_side import conditions
from support.operator_process import OperatorProcess, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.api_server import ApiServer
    from support.stack_fixture import RunningStack


CORPUS = ROOT / "tests" / "corpus" / "manifests"
REFUSED_AT_ONCE = {
    "agent-in-our-namespace",
    "contract-in-our-namespace",
    "topic-of-a-longer-namespace",
    "topic-of-another-namespace",
}
"""Of the operator's checks, those that validating admission policies make before it."""
Manifest = dict[str, Any]


def corpus(*parts: str) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in sorted(CORPUS.joinpath(*parts).rglob("*.yaml"))]


def documents(path: Path) -> list[Any]:
    found = list(yaml.safe_load_all(path.read_text("utf-8")))
    return [manifest for manifest in found if manifest is not None]


def expected(path: Path) -> tuple[str, str]:
    """Return the field and the beginning of the message that the file's first line says."""
    field, message = path.read_text("utf-8").splitlines()[0].removeprefix("# ").split(": ", 1)
    return field, message


def refusal(server: ApiServer, path: Path, *options: str) -> str:
    """Return why the server refuses the file; empty where it takes it."""
    try:
        server.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", *options, "-f", str(path))
    except AssertionError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def server(api_server: ApiServer) -> ApiServer:
    """The API server with everything that config/default brings, and the corpus's namespaces."""
    api_server.kubectl("apply", "--server-side", "-k", str(ROOT / "config" / "default"))
    everything = [manifest for path in CORPUS.rglob("*.yaml") for manifest in named(path)]
    binding = yaml.safe_load((ROOT / "config" / "namespace" / "role_binding.yaml").read_text())
    for name in sorted({manifest["metadata"].get("namespace", "default") for manifest in everything}):
        api_server.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        if name != "streamwarden":  # nobody prepares that one for agents
            api_server.apply({**binding, "metadata": {**binding["metadata"], "namespace": name}})
    return api_server


def named(path: Path) -> list[Manifest]:
    """Return the documents that can be read as objects with a name."""
    try:
        return [one for one in documents(path) if isinstance(one, dict) and isinstance(one.get("metadata"), dict)]
    except yaml.YAMLError:
        return []


@pytest.mark.parametrize("path", corpus("good"))
def test_a_good_manifest_is_stored_as_dev_stores_it(server: ApiServer, path: Path) -> None:
    local = {type(found).__name__: found for found in admit_all(read_manifests(path), {}).resources}
    answer = server.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "-o", "json", "-f", str(path)
    )
    found = json.loads(answer)
    stored = found["items"] if found["kind"] == "List" else [found]
    for manifest in stored:
        if len(local) == len(stored):  # one of each kind
            same = local[manifest["kind"]]
            assert type(same).model_validate({"metadata": {"name": "x"}, "spec": manifest["spec"]}).spec == same.spec


@pytest.mark.parametrize("path", corpus("bad", "schema"))
def test_what_the_schema_refuses_the_server_refuses_at_the_same_field(server: ApiServer, path: Path) -> None:
    field, _ = expected(path)
    said = refusal(server, path, "--dry-run=server")
    assert said
    # Labels are not the schema's business, and the server does not always say which one it means.
    blamed = "labels" if field.startswith("metadata.labels") else field.partition("[")[0].rpartition(".")[2]
    assert blamed in said


def test_a_decision_with_topic_ref_is_refused_by_a_server_that_names_the_new_field(server: ApiServer) -> None:
    path = CORPUS / "bad" / "schema" / "decision-with-the-topic-ref-of-an-input.yaml"
    assert '.spec.decisions[type="refund"].topicRef: field not declared in schema' in refusal(
        server, path, "--dry-run=server"
    )
    with pytest.raises(AssertionError, match=r"spec\.decisions\[0\]\.commandTopicRef: Required value"):
        server.kubectl("create", "--dry-run=server", "--validate=ignore", "-f", str(path))


@pytest.fixture(scope="module")
def operator(
    server: ApiServer, stack: RunningStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    folder = tmp_path_factory.mktemp("corpus")
    properties = folder / "librdkafka.properties"
    properties.write_text(stack.operator.render())
    running = OperatorProcess(
        folder,
        server.kubeconfig_of(OPERATOR_USER),
        kafka_properties=properties,
        gate_image="registry.example/gate:1",
        first_retry="0:00:00.1",
    )
    running.wait_ready()
    yield running
    running.close()


@pytest.mark.parametrize("path", [*corpus("bad", "acceptance"), *corpus("bad", "set")])
def test_what_the_schema_cannot_see_is_not_accepted_for_the_same_cause(
    server: ApiServer, operator: OperatorProcess, path: Path
) -> None:
    _, message = expected(path)
    said = refusal(server, path)
    if path.stem in REFUSED_AT_ONCE:
        assert message in said
        return
    assert said == ""
    try:
        until(
            lambda: any(message in cause for cause in refusals(server, path)), lambda: explain(server, path, operator)
        )
    finally:
        server.kubectl("delete", "-f", str(path), "--ignore-not-found", "--timeout=60s")


def stored(server: ApiServer, path: Path) -> list[Manifest]:
    """Return the file's resources as they stand."""
    found: Manifest = json.loads(server.kubectl("get", "-f", str(path), "-o", "json"))
    return list(found["items"]) if found["kind"] == "List" else [found]


def refusals(server: ApiServer, path: Path) -> list[str]:
    """Return why the file's resources are not accepted."""
    parts = [part for found in stored(server, path) for part in found.get("status", {}).get("conditions", ())]
    return [part["message"] for part in parts if (part["type"], part["status"]) == ("Accepted", "False")]


def explain(server: ApiServer, path: Path, operator: OperatorProcess) -> str:
    states = {found["metadata"]["name"]: conditions(found) for found in stored(server, path)}
    return f"{states} {refusals(server, path)}\n{operator.text()[-3000:]}"
