from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest
from streamwarden_devstack.cluster.archive import write_image
from streamwarden_devstack.cluster.errors import ClusterError, CommandFailedError, NotReadyError
from streamwarden_devstack.cluster.execute import one_at_a_time, run, run_logged, shown, succeeds, wait_until
from streamwarden_devstack.cluster.filesystems import is_layered, mounts_below
from streamwarden_devstack.cluster.kind import gateway
from streamwarden_devstack.cluster.node import Node
from streamwarden_devstack.cluster.provider import Status

MOUNTS = """\
overlay / overlay rw 0 0
/dev/vda /data ext4 rw 0 0
tmpfs /data/state/run tmpfs rw 0 0
"""


def test_a_failed_command_is_shown_with_what_it_said() -> None:
    with pytest.raises(CommandFailedError, match=r"sh -c 'echo no >&2; exit 3' ended with code 3:\nno"):
        run(["sh", "-c", "echo no >&2; exit 3"])


def test_a_command_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandFailedError, match="cannot run no-such-program: No such file"):
        run(["no-such-program"])
    assert not succeeds(["no-such-program"])


@pytest.mark.slow
def test_a_command_that_takes_too_long_is_ended() -> None:
    with pytest.raises(CommandFailedError, match="took more than 0 s"):
        run(["sh", "-c", "read forever < /dev/tty || exec tail -f /dev/null"], timeout_s=0.1)


def test_a_long_command_is_shortened() -> None:
    assert len(shown(["build", "x" * 500])) == 160


def test_a_failed_build_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(CommandFailedError, match=r"build.log, ends:\nfirst\nlast"):
        run_logged(["sh", "-c", "echo first; echo last >&2; exit 1"], tmp_path / "build.log")


def test_what_does_not_come_about_in_time_is_named() -> None:
    with pytest.raises(NotReadyError, match="the moon: not in 0 s"):
        wait_until(lambda: False, "the moon", 0.0)


def test_what_failed_last_is_said_of_what_does_not_come_about() -> None:
    def holds() -> bool:
        run(["sh", "-c", "echo refused >&2; exit 1"])
        return True

    with pytest.raises(NotReadyError, match=r"the moon: not in 0 s; sh .*refused"):
        wait_until(holds, "the moon", 0.0)


def test_a_second_command_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with one_at_a_time(tmp_path / "lock"):
            order.append("second")

    thread = threading.Thread(target=second)
    with one_at_a_time(tmp_path / "lock"):
        thread.start()
        waiting.wait()
        order.append("first")
    thread.join()

    assert order == ["first", "second"]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("/var/lib/state", True), ("/data/state", False), ("/data/state/run/x", False), ("/database", True)],
)
def test_a_folder_in_a_containers_own_layers_is_known(folder: str, expected: bool) -> None:  # noqa: FBT001  # a value
    assert is_layered(Path(folder), MOUNTS) is expected


def test_mount_points_inside_of_a_folder_are_found() -> None:
    assert mounts_below(Path("/data/state"), MOUNTS) == ["/data/state/run"]
    assert mounts_below(Path("/data/state/run"), MOUNTS) == []


def test_docker_says_how_containers_reach_this_machine() -> None:
    networks = [{"Subnet": "fc00::/64", "Gateway": "fc00::1"}, {"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]

    assert gateway(networks) == "172.18.0.1"
    with pytest.raises(ClusterError, match="no IPv4 gateway"):
        gateway(networks[:1])


def test_an_image_of_one_program_is_written_as_docker_would(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"ELF")

    archive = write_image(tmp_path / "pause.tar", "localhost/pause:1", program)
    again = write_image(tmp_path / "again.tar", "localhost/pause:1", program)

    with tarfile.open(archive) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]  # only files
    (manifest,) = json.loads(files["manifest.json"])
    config = json.loads(files[manifest["Config"]])
    assert manifest["RepoTags"] == ["localhost/pause:1"]
    assert config["config"] == {"User": "65535:65535", "Entrypoint": ["/pause"]}
    assert config["architecture"] in {"amd64", "arm64", platform.machine()}
    assert archive.read_bytes() == again.read_bytes()


class TestANodesPid:
    def noted(self, folder: Path, pid: int, namespace: str) -> Node:
        (folder / "node.json").write_text(json.dumps({"pid": pid, "pid_namespace": namespace}))
        return Node(folder, folder / "node.log")

    def test_is_none_where_nothing_was_noted(self, tmp_path: Path) -> None:
        assert Node(tmp_path, tmp_path / "log").pid() is None

    def test_is_none_when_another_process_has_it_now(self, tmp_path: Path) -> None:
        assert self.noted(tmp_path, os.getpid(), "pid:[1]").pid() is None

    def test_is_never_that_of_a_process_of_the_host(self, tmp_path: Path) -> None:
        ours = str(Path("/proc/self/ns/pid").readlink())
        assert self.noted(tmp_path, os.getpid(), ours).pid() is None

    def test_is_none_once_the_process_is_gone(self, tmp_path: Path) -> None:
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        assert self.noted(tmp_path, process.pid, "pid:[1]").pid() is None

    def test_is_asked_for_with_the_log_in_the_error(self, tmp_path: Path) -> None:
        (tmp_path / "node.log").write_text("etcd ended at its start\n")
        with pytest.raises(NotReadyError, match="etcd ended at its start"):
            self.noted(tmp_path, os.getpid(), "pid:[1]").require_pid()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status("embedded", running=False), "no cluster (embedded) runs here"),
        (Status("kind", running=True, version="v1.37.2"), "kind cluster, Kubernetes v1.37.2: not ready"),
        (
            Status("embedded", running=True, detail="no answer"),
            "embedded cluster, Kubernetes unknown: not ready (no answer)",
        ),
    ],
)
def test_a_status_is_one_line(status: Status, expected: str) -> None:
    assert status.describe() == expected
