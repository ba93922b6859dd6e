"""Secrets and variables that a person gives to ``dev``: read from files, and never shown."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.local.agent_env import agent_environment, unresolved
from streamwarden_cli.local.local_secrets import (
    LocalSecrets,
    SecretsError,
    chosen_variables,
    read_env_file,
    read_secrets,
)
from streamwarden_contract.models.pod import PodFields

if TYPE_CHECKING:
    from pathlib import Path

ENCODED = base64.b64encode(b"https://llm.example").decode()
SECRET = f"""\
apiVersion: v1
kind: Secret
metadata: {{name: llm, namespace: risk}}
stringData: {{api-key: tell-nobody}}
data: {{url: {ENCODED}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: other}}
"""
HIDDEN = "tell-nobody"


def test_x28_secrets_are_read_from_kubernetes_own_manifests(tmp_path: Path) -> None:
    file = tmp_path / "secrets.yaml"
    file.write_text(SECRET)

    secrets = read_secrets(file)

    assert secrets.find("risk", "llm") == {"api-key": HIDDEN, "url": "https://llm.example"}
    assert secrets.find("default", "other") == {}
    assert secrets.find("risk", "other") is None
    assert HIDDEN not in repr(secrets)


def test_x28_secrets_are_read_from_a_folder_of_files(tmp_path: Path) -> None:
    folder = tmp_path / "risk" / "llm"
    folder.mkdir(parents=True)
    (folder / "api-key").write_text(HIDDEN)
    (folder / ".hidden").write_text("x")
    (tmp_path / "README").write_text("x")

    assert read_secrets(tmp_path).find("risk", "llm") == {"api-key": HIDDEN}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(f"a: [{HIDDEN}", ":1: not YAML", id="no-yaml"),
        pytest.param(f"kind: ConfigMap\nx: {HIDDEN}\n", ":1: not a Secret: write apiVersion: v1", id="another-kind"),
        pytest.param(f"\n- {HIDDEN}\n", ":2: not a Secret", id="no-mapping"),
        pytest.param(f"a: {HIDDEN}\na: 1\n", ":2: not understood; put values in quotes", id="a-key-twice"),
        pytest.param("a: 99999999999999999999\n", ":1: not understood; put values in quotes", id="a-number-too-large"),
        pytest.param(
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: 55512}\n",
            "hold strings; put values in quotes",
            id="a-number",
        ),
        pytest.param(
            f"apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\ndata: {{a: {HIDDEN}}}\n",
            "data holds UTF-8 in base64; write plain text as stringData",
            id="plain-text-as-data",
        ),
        pytest.param(
            f"apiVersion: v1\nkind: Secret\nstringData: {{a: {HIDDEN}}}\n", "metadata.name is missing", id="no-name"
        ),
        pytest.param(SECRET + "---\n" + SECRET, "the Secret risk/llm is there twice", id="a-secret-twice"),
    ],
)
def test_x28_what_is_no_secret_is_told_without_what_stands_there(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "secrets.yaml"
    file.write_text(text)

    with pytest.raises(SecretsError) as caught:
        read_secrets(file)

    assert message in str(caught.value)
    assert [word for word in (HIDDEN, "55512", "9999") if word in str(caught.value)] == []
    assert caught.value.__cause__ is None


def test_x28_a_file_of_variables(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# a comment\n\nA=1\nexport B='two words'\nC=\nD=\"x=y\"\n")

    assert read_env_file(file) == {"A": "1", "B": "two words", "C": "", "D": "x=y"}


def test_x28_a_line_that_assigns_nothing_is_told_by_its_number_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"A=1\n{HIDDEN}\n")

    with pytest.raises(SecretsError, match=r"\.env:2: write NAME=VALUE$"):
        read_env_file(file)


def test_x28_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    for read in (read_env_file, read_secrets):
        with pytest.raises(SecretsError, match="nowhere cannot be read: No such file"):
            read(tmp_path / "nowhere")


def test_x28_variables_of_the_shell_are_given_by_name_and_go_before_a_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("A=of the file\nB=of the file\n")

    assert chosen_variables(["A"], file, {"A": "of the shell", "C": "x"}) == {"A": "of the shell", "B": "of the file"}
    with pytest.raises(SecretsError, match="--env D: no such variable is set here"):
        chosen_variables(["D"], None, {})


POD = PodFields.model_validate(
    {
        "env": [
            {"name": "THRESHOLD", "value": "3"},
            {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "llm", "key": "api-key"}}},
            {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "llm", "key": "no", "optional": True}}},
        ],
        "envFrom": [{"prefix": "LLM_", "secretRef": {"name": "llm"}}, {"secretRef": {"name": "no", "optional": True}}],
    }
)


def test_x28_values_from_secrets_are_found_and_kept_apart() -> None:
    secrets = LocalSecrets({("risk", "llm"): {"api-key": HIDDEN, "URL": "u"}})

    found = agent_environment(POD, "risk", secrets)

    assert found.said == {"THRESHOLD": "3"}
    assert found.secret == {"API_KEY": HIDDEN, "LLM_api-key": HIDDEN, "LLM_URL": "u"}
    assert found.missing == ()
    assert HIDDEN not in repr(found)


def test_x28_a_secret_that_nobody_gave_is_named() -> None:
    assert agent_environment(POD, "risk", LocalSecrets()).missing == (
        "spec.envFrom[0].secretRef: no Secret risk/llm in what --secrets names",
        "spec.env[1].valueFrom.secretKeyRef: no key 'api-key' of a Secret risk/llm in what --secrets names",
    )


def test_x28_without_secrets_what_comes_from_one_is_left_out_and_named() -> None:
    assert agent_environment(POD, "risk", None).missing == ()
    assert list(unresolved(POD, with_secrets=False)) == ["spec.env[].valueFrom", "spec.envFrom"]
    assert list(unresolved(POD, with_secrets=True)) == []


def test_config_maps_are_named_as_before() -> None:
    pod = PodFields.model_validate(
        {
            "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}],
            "envFrom": [{"configMapRef": {"name": "c"}}],
        }
    )
    assert agent_environment(pod, "risk", LocalSecrets()).missing == ()
    assert list(unresolved(pod, with_secrets=True)) == ["spec.env[].valueFrom", "spec.envFrom"]
