"""What commands say of folders and settings that cannot be used, of what they wrote, and how they are to be used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from streamwarden_cli.exit_codes import ExitCode
from streamwarden_cli.main import app
from typer.testing import CliRunner

WIDE = {"COLUMNS": "1000"}
TOPIC = """apiVersion: streamwarden.io/v1alpha1
kind: TopicContract
metadata: {name: orders, namespace: shop}
spec: {topicName: shop.orders}
"""
KUBECONFIG = """apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: me, user: {}}]
contexts: [{name: here, context: {cluster: here, user: me}}]
current-context: here
"""


def streamwarden(arguments: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streamwarden_cli", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("arguments", [["stack", "up"], ["cluster", "build"], ["dev", "."]], ids=" ".join)
def test_a_cache_that_cannot_be_written_is_named_with_the_setting_that_moves_it(
    arguments: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    (tmp_path / "topic.yaml").write_text(TOPIC)

    done = streamwarden(arguments, tmp_path, STREAMWARDEN_CACHE=str(file / "cache"))

    assert done.returncode == ExitCode.USAGE
    assert done.stderr.splitlines()[-1] == (
        f"error: the cache folder {file}/cache cannot be used (Not a directory): "
        "name another one with STREAMWARDEN_CACHE"
    )
    assert "Traceback" not in done.stderr


def test_another_file_that_cannot_be_written_is_named_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()

    answer = CliRunner().invoke(app, ["crds", "generate", "--out", "file/crds"])

    assert (answer.exit_code, answer.output) == (1, "error: [Errno 20] Not a directory: 'file/crds'\n")


WRONG_KUBECONFIGS = [
    pytest.param(None, [], 2, "no kubeconfig at config. Set KUBECONFIG", id="that-is-missing"),
    pytest.param("{{{: nope", [], 2, "the kubeconfig config is not YAML", id="that-is-no-yaml"),
    pytest.param(KUBECONFIG, ["--context", "there"], 2, "object with name there", id="without-the-context"),
    pytest.param(KUBECONFIG, [], 1, "Cannot connect to host 127.0.0.1:9", id="that-leads-nowhere"),
]


@pytest.mark.parametrize(("text", "options", "code", "message"), WRONG_KUBECONFIGS)
def test_uninstall_says_in_a_line_what_is_wrong_with_a_kubeconfig(  # a table's columns
    text: str | None, options: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", "config")
    if text is not None:
        Path("config").write_text(text)

    answer = CliRunner().invoke(app, ["uninstall", *options])

    assert (answer.exit_code, answer.output.count("\n")) == (code, 1), answer.output
    assert answer.output.startswith("error: ")
    assert message in answer.output


@pytest.mark.parametrize(("text", "options", "code", "message"), [WRONG_KUBECONFIGS[0], WRONG_KUBECONFIGS[3]])
def test_watch_says_it_likewise(text: str | None, options: list[str], code: int, message: str, tmp_path: Path) -> None:
    (tmp_path / "kafka.properties").write_text("bootstrap.servers=127.0.0.1:1\n")
    if text is not None:
        (tmp_path / "config").write_text(text)

    done = streamwarden(["watch", "--kafka", "kafka.properties", *options], tmp_path, KUBECONFIG="config")

    lines = (done.stdout + done.stderr).splitlines()
    assert (done.returncode, len(lines)) == (code, 1), lines
    assert lines[0].startswith("error: ")
    assert message in lines[0]


def test_what_contributors_need_says_so_and_what_it_wrote(tmp_path: Path) -> None:
    runner = CliRunner()
    said = runner.invoke(app, ["--help"], env=WIDE).output

    for command in ("crds", "docs"):
        written = runner.invoke(app, [command, "generate", "--out", str(tmp_path / command)]).output
        assert sorted(written.splitlines()) == sorted(f"wrote {path}" for path in (tmp_path / command).iterdir())
    assert said.count("For contributors: ") == 2


def test_the_help_of_stack_up_shows_its_examples_a_line_each() -> None:
    said = CliRunner().invoke(app, ["stack", "up", "--help"], env=WIDE).output

    examples = [line.strip() for line in said.splitlines() if line.strip().startswith("streamwarden stack ")]
    assert examples == [
        "streamwarden stack up                      one broker and the registry",
        "streamwarden stack up --brokers 3 --tls    one may be killed, and clients use TLS",
        "streamwarden stack up --kafka 3.9 --no-registry",
        "streamwarden stack status",
        "streamwarden stack down",
    ]


@pytest.mark.parametrize("arguments", [["dev", "."], ["watch", "--kafka", "pyproject.toml"], ["bypass", "a/b"]])
def test_an_installation_is_a_dns_label(arguments: list[str]) -> None:
    answer = CliRunner().invoke(app, [*arguments, "--installation", "a.b"], env=WIDE)

    assert answer.exit_code == ExitCode.USAGE
    assert "'a.b' is not a DNS label" in answer.output
