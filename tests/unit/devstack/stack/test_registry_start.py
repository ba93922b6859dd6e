"""A registry that cannot be put in place: the disk is full, or the cache cannot be written."""

import asyncio
import errno
import io
import os
import resource
import signal
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from streamwarden_devstack.stack import Stack, StackError
from streamwarden_devstack.stack.registry import unpack


@contextmanager
def small_files() -> Iterator[None]:
    """Let no file grow beyond 4 KiB, that of the tests' report neither: writing fails midway, as on a full disk."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def archive(path: Path, size: int) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("quarkus-run.jar")
        member.size = size
        tar.addfile(member, io.BytesIO(b"\0" * size))
    return path


async def test_x64_what_a_full_disk_has_cut_off_leaves_nothing_behind(tmp_path: Path) -> None:
    made = archive(tmp_path / "registry.tar.gz", 100_000)

    with small_files(), pytest.raises(OSError, match="File too large") as caught:
        await unpack(made, tmp_path / "unpacked")

    assert caught.value.errno == errno.EFBIG
    assert os.listdir(tmp_path) == ["registry.tar.gz"]  # noqa: PTH208  # of the test, in no hurry


async def test_x64_a_registry_whose_files_cannot_be_written_ends_its_start_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("STREAMWARDEN_CACHE", str(tmp_path / "file" / "cache"))
    kafka_up = asyncio.Event()
    kafka_up.set()

    with pytest.raises(
        StackError, match=r"the cache folder .* cannot be used .*name another one with STREAMWARDEN_CACHE"
    ):
        await Stack(tmp_path / "state")._start_registry(kafka_up)  # the rest needs a Kafka
