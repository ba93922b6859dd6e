"""What every command of ``streamwarden`` has in common: how it begins, and how it ends."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.exit_codes import MEANINGS, ExitCode
from streamwarden_cli.main import app
from streamwarden_operator.main import app as operator_app
from support.commands import CliRunner

if TYPE_CHECKING:
    import typer

WIDE = {"COLUMNS": "1000"}
ROOT = Path(__file__).parents[3]


def test_every_exit_code_has_a_meaning_which_the_help_shows() -> None:
    said = CliRunner().invoke(app, ["--help"], env=WIDE).output

    assert list(MEANINGS) == list(ExitCode)
    assert [code for code, meaning in MEANINGS.items() if f"{code.value} {meaning}" not in said] == []


@pytest.mark.parametrize(
    ("number", "code"), [(1, ExitCode.HANGUP), (2, ExitCode.INTERRUPTED), (15, ExitCode.TERMINATED)]
)
def test_what_a_signal_has_ended_ends_as_shells_count(number: int, code: ExitCode) -> None:
    assert ExitCode.of_signal(number) is code


@pytest.mark.parametrize(
    ("application", "name", "distribution"),
    [
        pytest.param(app, "streamwarden", "streamwarden-cli", id="of-people"),
        pytest.param(operator_app, "streamwarden-operator", "streamwarden-operator", id="of-the-operator"),
    ],
)
def test_a_command_says_its_version(application: typer.Typer, name: str, distribution: str) -> None:
    answer = CliRunner().invoke(application, ["--version"])

    assert (answer.exit_code, answer.output) == (0, f"{name} {version(distribution)}\n")


def test_the_operator_s_command_only_runs_it() -> None:
    assert [command.callback.__name__ for command in operator_app.registered_commands if command.callback] == ["run"]
    assert operator_app.registered_groups == []


@pytest.mark.parametrize("options", [["--attempt-bypass"], ["--at-end", "true"]], ids=lambda options: options[0])
@pytest.mark.parametrize("command", [["dev", "."], ["watch", "--kafka", __file__]], ids=lambda command: command[0])
def test_x64_what_happens_once_idle_asks_for_an_end(command: list[str], options: list[str]) -> None:
    answer = CliRunner().invoke(app, [*command, *options], env=WIDE)

    assert answer.exit_code == ExitCode.USAGE
    assert f"'{options[0]}': this happens once all is idle: add --until-idle" in answer.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            ["--env", "NOT_SET_HERE"], "--env NOT_SET_HERE: no such variable is set here", id="x28-a-variable"
        ),
        pytest.param(["--env-file", "nowhere"], "nowhere cannot be read: No such file", id="x28-variables"),
        pytest.param(["--secrets", "nowhere"], "nowhere cannot be read: No such file", id="x28-secrets"),
        pytest.param(["--python", "nowhere"], "--python nowhere: no such program", id="x29-an-interpreter"),
        pytest.param(["--report", "."], "file '.' is a directory", id="a-report-that-is-a-folder"),
        pytest.param(["--external", "guard"], "'guard': write NAMESPACE/AGENT", id="x29-an-agent-without-namespace"),
        pytest.param(["--external", "a/b"], "--external a/b: no AgentDeployment of that name here", id="x29-an-agent"),
    ],
)
def test_what_dev_cannot_do_as_asked_is_told_before_anything_starts(
    options: list[str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "topic.yaml").write_text((ROOT / "config" / "samples" / "topiccontracts.yaml").read_text())

    answer = CliRunner().invoke(app, ["dev", str(tmp_path), *options], env=WIDE)

    assert (answer.exit_code, message in answer.output) == (ExitCode.USAGE, True), answer.output
    assert not (tmp_path / ".streamwarden").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--kafka", "4.1"], "no Kafka 4.1 here", id="a-version-that-is-not-here"),
        pytest.param(["--kafka", ""], "no Kafka", id="an-empty-version"),
        pytest.param(["--brokers", "2"], "1 or 3 brokers, not 2", id="two-brokers"),
        pytest.param(["--brokers", "0"], "1 or 3 brokers, not 0", id="no-broker"),
    ],
)
def test_a_stack_that_cannot_be_is_a_wrong_option(options: list[str], message: str, tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["stack", "up", "--state-dir", str(tmp_path), *options], env={"COLUMNS": "200"})
    assert (answer.exit_code, message in answer.output) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_an_api_server_of_a_version_that_is_not_built_is_refused_with_those_that_are() -> None:
    answer = CliRunner().invoke(app, ["cluster", "build", "--api-server", "1.30"], env=WIDE)

    assert answer.exit_code == ExitCode.FAILED
    assert "no Kubernetes 1.30 here; there are 1.35, 1.37" in answer.output
