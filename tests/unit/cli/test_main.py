"""What every command of ``streamwarden`` has in common: how it begins, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.exit_codes import MEANINGS, ExitCode
from streamwarden_cli.main import app
from streamwarden_operator.main import app as operator_app
from typer.testing import CliRunner

if TYPE_CHECKING:
    import typer

WIDE = {"COLUMNS": "1000"}
ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent

WITHOUT_EXTRA = "import sys; sys.modules['streamwarden_devstack'] = None; "
RUN = "from streamwarden_cli.__main__ import main; main()"
INSTALL = (
    "error: this needs the extra devstack: pip install 'streamwarden-cli[devstack]', "
    "with --find-links DIR where the wheels are in a folder\n"
)
HEARS_CTRL_C = """
import signal

# Who starts the tests in the background of a shell has them ignore SIGINT, and their children too.
signal.signal(signal.SIGINT, signal.default_int_handler)
"""
INTERRUPTED_AT = (
    HEARS_CTRL_C
    + """
import os, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
"""
)


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


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


def test_kubectl_s_plugin_is_the_same_command_and_says_how_it_was_called() -> None:
    done = subprocess.run(
        [BIN / "kubectl-streamwarden", "watch"], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == ExitCode.USAGE
    assert "Usage: kubectl streamwarden watch" in done.stderr


@pytest.mark.parametrize(
    "module",
    [
        pytest.param("streamwarden_cli.exit_codes", id="before-anything-else"),
        pytest.param("typer", id="while-the-commands-are-imported"),
        pytest.param("streamwarden_cli.generated.crd_yaml", id="while-a-command-imports-what-it-needs"),
    ],
)
def test_ctrl_c_while_importing_ends_with_a_line_and_no_traceback(module: str) -> None:
    done = python(INTERRUPTED_AT.format(name=module) + RUN, "crds", "check")

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


IN_A_CALLBACK = (
    HEARS_CTRL_C
    + """
import sys, weakref

class Dying:
    pass

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            dying = Dying()
            self.callback = weakref.ref(dying, lambda _: signal.raise_signal(signal.SIGINT))

sys.meta_path.insert(0, Finder())
"""
)


def test_ctrl_c_in_a_callback_of_the_imports_is_not_lost() -> None:
    done = python(IN_A_CALLBACK + RUN, "crds", "check")

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


NEED_IT = {
    "stack-up": ["stack", "up"],
    "stack-status": ["stack", "status"],
    "cluster-status": ["cluster", "status"],
    "dev": ["dev", "."],
    "watch-with-a-program": ["watch", "--kafka", "kafka.properties", "--with", "true"],
    "watch-with-a-program-at-its-end": ["watch", "--kafka", "kafka.properties", "--at-end", "true"],
}
DO_WITHOUT = {
    "credentials": (["credentials", "risk/guard"], ExitCode.FAILED, "error: no .streamwarden folder in "),
    "bypass": (["bypass", "risk/guard"], ExitCode.FAILED, "error: no .streamwarden folder in "),
    "watch": (["watch", "--kafka", "kafka.properties", "--context", "nowhere", "."], ExitCode.USAGE, "error: "),
}
EACH_WITHOUT_EXTRA = """
import json, os, sys
sys.modules["streamwarden_devstack"] = None
from streamwarden_cli.__main__ import main
import streamwarden_cli.main, streamwarden_cli.watch.run, typer.rich_utils  # the commands are copies of this process

for name, arguments in json.load(sys.stdin).items():
    if not (child := os.fork()):
        for number, stream in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}.{stream}", os.O_WRONLY | os.O_CREAT), number)
        sys.argv[1:] = arguments
        main()
    print(name, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
Ended = tuple[int, str, str]
"""Exit code, what stood on stdout, and on stderr."""


@pytest.fixture(scope="module")
def without_extra(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """How each of these commands ended where the extra is not installed."""
    folder = tmp_path_factory.mktemp("without-extra")
    (folder / "kafka.properties").write_text("bootstrap.servers=127.0.0.1:1\n")
    asked = NEED_IT | {f"only-{name}": arguments for name, (arguments, *_) in DO_WITHOUT.items()}
    done = subprocess.run(
        [sys.executable, "-c", EACH_WITHOUT_EXTRA],
        cwd=folder,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    codes = dict(line.split() for line in done.stdout.splitlines())
    return {
        name: (int(code), (folder / f"{name}.out").read_text(), (folder / f"{name}.err").read_text())
        for name, code in codes.items()
    }


@pytest.mark.parametrize("name", NEED_IT)
def test_without_the_extra_a_command_that_needs_it_says_what_to_install(
    without_extra: dict[str, Ended], name: str
) -> None:
    assert without_extra[name] == (ExitCode.USAGE, "", INSTALL)


@pytest.mark.parametrize(("name", "code", "message"), [(name, *ends) for name, (_, *ends) in DO_WITHOUT.items()])
def test_without_the_extra_the_others_go_as_far_as_with_it(
    without_extra: dict[str, Ended], name: str, code: int, message: str
) -> None:
    ended, out, err = without_extra[f"only-{name}"]

    assert ended == code, err
    assert message in out + err
    assert "devstack" not in out + err


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


HELP = """
from streamwarden_cli.main import app
from typer.testing import CliRunner
import typer.main

def helps(command, words):
    yield words
    for name, below in getattr(command, "commands", {}).items():
        yield from helps(below, [*words, name])

for words in helps(typer.main.get_command(app), []):
    print(*words, CliRunner().invoke(app, [*words, "--help"]).exit_code)
"""


def test_without_the_extra_every_help_is_shown() -> None:
    done = python(WITHOUT_EXTRA + HELP)

    lines = done.stdout.splitlines()
    assert "cluster build 0" in lines, done.stderr
    assert [line for line in lines if not line.endswith("0")] == []


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
