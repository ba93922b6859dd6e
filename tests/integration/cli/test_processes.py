"""How commands begin and end as processes: Ctrl-C while they import, without the extra, without a cache or cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from streamwarden_cli.exit_codes import ExitCode
from support.commands import WRONG_KUBECONFIGS

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


TOPIC = """apiVersion: streamwarden.io/v1alpha1
kind: TopicContract
metadata: {name: orders, namespace: shop}
spec: {topicName: shop.orders}
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
