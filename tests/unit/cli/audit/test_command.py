"""What ``streamwarden audit verify`` refuses before it reads anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.audit import verifying
from streamwarden_cli.audit.report import Report
from streamwarden_cli.exit_codes import ExitCode
from streamwarden_cli.local.cluster import LocalCluster
from streamwarden_cli.local.running import RunningDev
from streamwarden_cli.local.state import StateFolder
from streamwarden_cli.main import app
from streamwarden_kafka.connection import Connection
from support.commands import CliRunner
from support.manifests import agent

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--kafka", "FILE"], "Missing option '--namespace'", id="no-namespace"),
        pytest.param(["-n", "risk"], "name either --kafka FILE or --dir DIR", id="no-kafka"),
        pytest.param(["-n", "risk", "--kafka", "FILE", "--dir", "."], "name either --kafka FILE or --dir", id="two"),
        pytest.param(["-n", "a.b", "--kafka", "FILE"], "namespace 'a.b' is not a DNS label", id="no-label"),
        pytest.param(["-n", "risk", "--agent", "A", "--kafka", "FILE"], "agent name 'A'", id="no-agent-s-name"),
        pytest.param(["-n", "risk", "--kafka", "FILE", "--decisions", "--no-heads"], "leave --no-heads out", id="ends"),
        pytest.param(["-n", "risk", "--kafka", "FILE"], "bootstrap.servers is missing", id="no-address"),
    ],
)
def test_what_is_not_possible_as_asked_is_a_wrong_option(arguments: list[str], message: str, tmp_path: Path) -> None:
    file = tmp_path / "kafka.properties"
    file.write_text("sasl.username=a\n")
    named = [str(file) if word == "FILE" else word for word in arguments]

    answer = CliRunner().invoke(app, ["audit", "verify", *named], env={"COLUMNS": "300"})

    assert (answer.exit_code, message in answer.output) == (ExitCode.USAGE, True), answer.output


def test_where_no_dev_runs_it_fails(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["audit", "verify", "-n", "risk", "--dir", str(tmp_path)])

    assert answer.exit_code == ExitCode.FAILED
    assert answer.output.startswith("error: no .streamwarden folder in ")


def test_a_running_dev_is_read_as_its_operator(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    operator = Connection.scram("127.0.0.1:1", "streamwarden.operator", "secret")
    with state.locked():
        state.prepare()
        state.operator.write_text(operator.render())

        assert RunningDev.find(tmp_path).operator_connection().librdkafka() == operator.librdkafka()


@pytest.mark.parametrize(
    ("namespaces", "arguments", "read", "said"),
    [
        pytest.param(["risk", "risk"], [], ["risk"], "", id="one-namespace-need-not-be-said"),
        pytest.param(["risk", "fraud"], [], [], "namespaces of agents here: fraud, risk", id="of-two-one-is-said"),
        pytest.param(["risk", "fraud"], ["-n", "fraud"], ["fraud"], "", id="what-is-said-is-read"),
        pytest.param([], [], [], "namespaces of agents here: none", id="without-agents-it-is-said"),
    ],
)
def test_the_namespace_of_a_running_dev_is_that_of_its_agents(
    namespaces: list[str],
    arguments: list[str],
    read: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def verify(_connection: Connection, wanted: verifying.Wanted, _progress: object) -> Report:
        asked.append(wanted.namespace)
        return Report(wanted.namespace)

    monkeypatch.setattr(verifying, "verify", verify)
    state = StateFolder(tmp_path)
    with state.locked():
        state.prepare()
        state.operator.write_text(Connection.scram("127.0.0.1:1", "streamwarden.operator", "secret").render())
        LocalCluster(state).apply([agent(namespace, f"guard-{n}") for n, namespace in enumerate(namespaces)])
        command = ["audit", "verify", "--dir", str(tmp_path), *arguments]
        answer = CliRunner().invoke(app, command, env={"COLUMNS": "300"})

    assert (asked, answer.exit_code == ExitCode.USAGE) == (read, not read), answer.output
    assert said in answer.output


@pytest.mark.parametrize(
    "right",
    ["READ on the topic NAMESPACE.streamwarden.audit", "DESCRIBE on the decision topics", "NAMESPACE.AGENT.gate"],
)
def test_its_help_says_which_rights_one_needs(right: str) -> None:
    said = CliRunner().invoke(app, ["audit", "verify", "--help"], env={"COLUMNS": "1000"}).output
    assert right in " ".join(said.split())
