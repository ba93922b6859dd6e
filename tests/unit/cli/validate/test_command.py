"""``streamwarden validate DIR``: everything that admission says, by one command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from streamwarden_cli.exit_codes import ExitCode
from streamwarden_cli.main import app
from support.commands import CliRunner

ROOT = Path(__file__).parents[4]
CORPUS = ROOT / "tests" / "corpus" / "manifests"
BAD = sorted((CORPUS / "bad").rglob("*.yaml"))
GOOD = [ROOT / "examples" / "phishing", ROOT / "config" / "samples", *sorted((CORPUS / "good").glob("*.yaml"))]
POLICY = """\
apiVersion: streamwarden.io/v1alpha1
kind: Policy
metadata: {name: careful, namespace: risk}
spec:
  rules:
    - name: sure
      require: confidence >
"""


def run(*arguments: str | Path) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["validate", *map(str, arguments)])
    return answer.exit_code, answer.stdout


@pytest.mark.slow
@pytest.mark.parametrize("folder", GOOD, ids=[folder.stem for folder in GOOD])
def test_x63_a_good_folder_or_file_ends_with_0(folder: Path) -> None:
    code, said = run(folder)

    assert (code, " 0 errors" in said) == (ExitCode.DONE, True), said


@pytest.mark.parametrize("path", BAD, ids=[path.stem for path in BAD])
def test_x63_what_admission_refuses_has_file_line_and_column(path: Path) -> None:
    code, said = run(path, "-o", "json")

    errors = [found for found in json.loads(said)["findings"] if found["level"] == "error"]
    lines = path.read_text(encoding="utf-8").splitlines()
    assert (code, errors != []) == (ExitCode.FAILED, True)
    assert {found["file"] for found in errors} == {str(path)}
    assert all(1 <= found["column"] <= len(lines[found["line"] - 1]) for found in errors)


def test_x63_the_place_is_that_of_the_field(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")

    code, said = run(tmp_path)

    assert code == ExitCode.FAILED
    assert said.startswith(f"{tmp_path}/policy.yaml:7:7: error: spec.rules[0].require: ")
    assert said.endswith("1 resource, 1 error, 0 warnings\n")


@pytest.mark.parametrize("output", ["text", "json", "sarif", "junit"])
def test_every_format_says_the_error_and_ends_with_1(tmp_path: Path, output: str) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")

    code, said = run(tmp_path, "--output", output)

    assert (code, "spec.rules[0].require" in said) == (ExitCode.FAILED, True)
    if output in {"json", "sarif"}:
        json.loads(said)
    if output == "junit":
        assert ET.fromstring(said).get("failures") == "1"  # noqa: S314  # our own


def test_a_folder_without_manifests_is_not_well(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["validate", str(tmp_path)])

    assert (answer.exit_code, answer.stderr) == (ExitCode.FAILED, f"error: no manifests in {tmp_path}\n")


def test_a_folder_that_is_not_there_is_a_wrong_argument(tmp_path: Path) -> None:
    assert run(tmp_path / "nowhere")[0] == ExitCode.USAGE


def test_what_is_of_another_kind_is_passed_over_with_a_word(tmp_path: Path) -> None:
    shutil.copy(ROOT / "config" / "samples" / "topiccontracts.yaml", tmp_path)
    (tmp_path / "service.yaml").write_text("apiVersion: v1\nkind: Service\n", encoding="utf-8")

    code, said = run(tmp_path)

    assert code == ExitCode.DONE
    assert said.startswith(f"{tmp_path}/service.yaml:1:1: note: passed over: Service of v1\n")
