"""Building the cluster's programs, with a ``go`` that plays its part."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from streamwarden_devstack.cluster.errors import ClusterError, CommandFailedError
from streamwarden_devstack.cluster.go_programs import Binary, content_key
from streamwarden_devstack.cluster.golang import find_go, is_new_enough
from streamwarden_devstack.cluster.reporting import QuietReporter
from streamwarden_devstack.cluster.tools import BINARIES, KUBERNETES, binaries_of, ensure_tools, tools_folder

if TYPE_CHECKING:
    from pathlib import Path

GO = """#!/bin/sh
[ "$1" = env ] && echo go1.27.0 && exit
while [ "$1" != -o ]; do shift; done
echo "$3" >> "{built}"
[ ! -e "{broken}" ] || {{ echo "undefined: everything"; exit 1; }}
echo "$3" > "$2"
"""


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The packages that were built, a line each. While ``broken`` exists beside it, builds fail."""
    programs = tmp_path / "bin"
    programs.mkdir()
    go = programs / "go"
    go.write_text(GO.format(built=tmp_path / "built", broken=tmp_path / "broken"))
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return tmp_path / "built"


def module(folder: Path, sums: str = "a v1 h1:x") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "go.mod").write_text("module m")
    (folder / "go.sum").write_text(sums)
    return folder


def test_everything_is_built_once(built: Path, tmp_path: Path) -> None:
    folder = ensure_tools(tmp_path, QuietReporter())
    again = ensure_tools(tmp_path, QuietReporter())

    assert again == folder
    assert len(built.read_text().splitlines()) == len(BINARIES)
    assert all((folder / binary.name).is_file() for binary in BINARIES)


def test_what_is_there_is_not_built_again(built: Path, tmp_path: Path) -> None:
    folder = ensure_tools(tmp_path, QuietReporter())
    (folder / "etcd").unlink()
    built.unlink()

    ensure_tools(tmp_path, QuietReporter())

    assert built.read_text() == "go.etcd.io/etcd/server/v3\n"


def test_a_failed_build_leaves_no_program_and_shows_the_end_of_its_log(built: Path, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()

    with pytest.raises(CommandFailedError) as raised:
        ensure_tools(tmp_path, QuietReporter())

    folder = tools_folder(tmp_path)
    assert "undefined: everything" in str(raised.value)
    assert str(folder / "kube-apiserver.log") in str(raised.value)
    assert not any((folder / binary.name).exists() for binary in BINARIES)
    assert len(built.read_text().splitlines()) == 1


def test_without_go_and_without_a_wheel_the_error_says_which_go_would_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho no network >&2; exit 2\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    with pytest.raises(ClusterError, match=r"(?s)no Go 1\.26\.8 or later on PATH, and .* cannot be had.*no network"):
        find_go(tmp_path, QuietReporter())


def test_go_is_installed_once_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "uv"
    uv.write_text(
        '#!/bin/sh\nwhile [ "$1" != --target ]; do shift; done\nmkdir -p "$2/go/bin" && echo 1 >> "$2/go/bin/go"\n'
    )
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    first, again = (find_go(tmp_path / "cache", QuietReporter()) for _ in range(2))

    assert first == again
    assert first.read_text() == "1\n"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"flags": "-s"}, id="the-linker's-flags"),
        pytest.param({"tags": "no_zfs"}, id="tags"),
        pytest.param({"env": {"CGO_ENABLED": "0"}}, id="the-environment"),
        pytest.param({"package": "example.test/other"}, id="the-package"),
        pytest.param({"name": "other"}, id="the-name"),
    ],
)
def test_the_key_of_the_cache_depends_on(change: dict[str, str], tmp_path: Path) -> None:
    binary = Binary("tool", module(tmp_path / "m"), "example.test/tool")

    assert content_key([binary]) == content_key([dataclasses.replace(binary)])
    assert content_key([binary]) != content_key([dataclasses.replace(binary, **change)])  # type: ignore[arg-type]  # any field's


def test_the_key_of_the_cache_depends_on_the_sums_of_the_modules(tmp_path: Path) -> None:
    binary = Binary("tool", module(tmp_path / "m"), "example.test/tool")
    before = content_key([binary])

    module(tmp_path / "m", sums="a v1 h1:y")

    assert content_key([binary]) != before


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("go1.26.8\n", True),
        ("go1.27rc1", True),
        ("go1.27.3", True),
        ("go2.0", True),
        ("go1.26.7", False),
        ("go1.9", False),
        ("devel +abc", False),
        ("", False),
    ],
)
def test_a_go_is_new_enough_for_the_modules_or_it_is_not(version: str, expected: bool) -> None:  # noqa: FBT001  # a value
    assert is_new_enough(version) is expected


def test_of_another_version_its_own_control_plane_is_built_beside_and_the_rest_stays(
    built: Path, tmp_path: Path
) -> None:
    folder = ensure_tools(tmp_path, QuietReporter(), "1.35")

    assert folder not in {tools_folder(tmp_path), tmp_path}
    assert built.read_text().split() == [
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ]
    assert {"-X", "k8s.io/component-base/version.gitVersion=v1.35.4"} <= set(binaries_of("1.35")[0].flags.split())


@pytest.mark.parametrize("minor", KUBERNETES)
def test_a_version_is_built_from_modules_of_that_release(minor: str) -> None:
    release = KUBERNETES[minor]
    found = next(binary for binary in binaries_of(minor) if binary.name == "kube-apiserver")

    wanted = (found.module / "go.mod").read_text()
    assert f"k8s.io/kubernetes {release}" in wanted
    assert f"k8s.io/apiserver => k8s.io/apiserver v0{release.removeprefix('v1')}" in wanted
    assert f"k8s.io/kubernetes {release} h1:" in (found.module / "go.sum").read_text()


def test_a_version_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"^no Kubernetes 1\.36 here; there are 1\.35, 1\.37$"):
        ensure_tools(tmp_path, QuietReporter(), "1.36")
