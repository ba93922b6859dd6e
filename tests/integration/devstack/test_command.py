"""``streamwarden stack`` as a person uses it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING

import pytest
from streamwarden_devstack.ports import is_free
from streamwarden_devstack.stack.background import Background
from support.pids import gone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.own_stack

PATIENCE_S = 300


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "state" / "stack"
    yield folder
    Background(folder).stop()


def streamwarden(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from streamwarden_cli.main import app; app()", "stack", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def health(folder: Path) -> tuple[int, dict[str, object]]:
    answer = streamwarden("status", "--state-dir", folder, "--output", "json")
    return answer.returncode, json.loads(answer.stdout)


def test_up_is_idempotent_survives_its_terminal_and_ends_with_down(folder: Path) -> None:
    first = streamwarden("up", "--no-registry", "--state-dir", folder)
    again = streamwarden("up", "--no-registry", "--state-dir", folder)
    code, found = health(folder)

    assert first.returncode == 0, first.stderr
    assert "client.properties" in first.stdout
    assert again.stdout == first.stdout
    assert (code, found["healthy"], found["kafka"], found["registry"]) == (0, True, True, None)
    assert (folder / "client.properties").stat().st_mode & 0o777 == 0o600
    assert folder.parent.stat().st_mode & 0o777 == 0o700

    assert streamwarden("down", "--state-dir", folder).stdout == "stopped\n"
    assert health(folder)[0] == 1
    assert streamwarden("down", "--state-dir", folder).stdout == "no stack runs here\n"


@pytest.mark.long
def test_three_brokers_with_tls_are_told_of_each_by_each_and_another_stack_in_the_folder_is_refused(
    folder: Path,
) -> None:
    up = streamwarden("up", "--brokers", "3", "--tls", "--no-registry", "--state-dir", folder)
    code, found = health(folder)
    other = streamwarden("up", "--kafka", "4.4", "--state-dir", folder)

    assert up.returncode == 0, up.stderr
    brokers = found["brokers"]
    assert isinstance(brokers, dict)
    assert (code, found["kafka"], list(brokers.values())) == (0, True, [True] * 3)
    assert ",".join(brokers) == found["bootstrap_servers"]
    assert "security.protocol=SASL_SSL\n" in (folder / "librdkafka.properties").read_text()
    assert "ssl.truststore.type=PEM\n" in (folder / "client.properties").read_text()
    assert other.returncode == 1
    assert (
        "a stack of Kafka 4.3, 3 broker(s), with TLS, without registry, on 127.0.0.1 runs here already" in other.stderr
    )


def test_what_a_killed_stack_left_is_no_obstacle(folder: Path) -> None:
    streamwarden("up", "--no-registry", "--state-dir", folder)
    pid = Background(folder).pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    asyncio.run(gone(pid))

    code, found = health(folder)
    assert (code, found["pid"]) == (1, None)
    assert streamwarden("down", "--state-dir", folder).returncode == 0

    assert streamwarden("up", "--no-registry", "--state-dir", folder).returncode == 0
    assert health(folder)[0] == 0


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        pytest.param("--kafka", "2.8", "no Kafka 2.8 here; there are 3.9, 4.0, 4.3, 4.4", id="version"),
        pytest.param("--brokers", "2", "a stack has 1 or 3 brokers, not 2", id="two-brokers"),
    ],
)
def test_a_kafka_that_cannot_be_is_refused_before_anything_is_fetched(
    tmp_path: Path, option: str, value: str, why: str
) -> None:
    answer = streamwarden("up", option, value, "--state-dir", tmp_path / "none")

    assert answer.returncode == 2
    assert why in " ".join(answer.stderr.replace("│", " ").split())  # it stands in a box
    assert not (tmp_path / "none").exists()


def test_status_without_a_stack_says_how_to_start_one(tmp_path: Path) -> None:
    answer = streamwarden("status", "--state-dir", tmp_path)

    assert answer.returncode == 1
    assert "streamwarden stack up" in answer.stdout


def test_an_address_that_this_machine_has_not_is_refused(tmp_path: Path) -> None:
    answer = streamwarden("up", "--address", "192.0.2.1", "--no-registry", "--state-dir", tmp_path)

    assert answer.returncode == 1
    assert "no interface of this machine has the address 192.0.2.1" in answer.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one loopback address only")
def test_clients_are_listened_for_on_the_address_that_was_asked_for_and_no_other(folder: Path) -> None:
    up = streamwarden("up", "--address", "127.0.0.2", "--no-registry", "--state-dir", folder)
    assert up.returncode == 0, up.stderr
    state = Background(folder).state()
    assert state is not None
    address, _, port = state.bootstrap_servers.rpartition(":")
    assert address == "127.0.0.2"
    assert not is_free(int(port), "127.0.0.2")
    assert is_free(int(port))
    assert health(folder)[0] == 0


def test_in_the_foreground_ctrl_c_ends_everything(folder: Path) -> None:
    command = [sys.executable, "-c", "from streamwarden_cli.main import app; app()", "stack", "up", "--foreground"]
    with subprocess.Popen(
        [*command, "--no-registry", "--state-dir", str(folder)], stdout=subprocess.PIPE, text=True
    ) as terminal:
        assert terminal.stdout is not None
        lines = list(iter_until(terminal.stdout, "Ctrl-C"))
        (port,) = [int(line.rpartition(":")[2]) for line in lines if line.startswith("Kafka")]
        assert not is_free(port)
        terminal.send_signal(signal.SIGINT)
        assert terminal.wait(PATIENCE_S) == 0

    assert is_free(port)
    assert health(folder)[0] == 1


def iter_until(output: IO[str], word: str) -> Iterator[str]:
    for line in output:
        yield line
        if word in line:
            return
    pytest.fail(f"it ended before it said {word}")
