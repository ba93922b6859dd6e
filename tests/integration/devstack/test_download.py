from __future__ import annotations

import asyncio
import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, TYPE_CHECKING, Any

import pytest
from streamwarden_devstack.cache import why_unusable
from streamwarden_devstack.ports import free_ports
from streamwarden_devstack.stack import download
from streamwarden_devstack.stack.download import Fetch, fetch
from streamwarden_devstack.stack.errors import DownloadError
from streamwarden_devstack.stack.locked import Artifact
from streamwarden_devstack.stack.repository import Repository
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = bytes(range(256)) * 4096


def artifact_of(content: bytes, name: str = "tool") -> Artifact:
    return Artifact("org.example", name, "1.0", "", "jar", hashlib.sha256(content).hexdigest(), len(content))


TOOL = artifact_of(CONTENT)


@dataclass
class Site:
    """A Maven repository in memory, with the faults a test asks for."""

    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    break_after: list[int] = field(default_factory=list)
    """Bytes after which the next answers break off."""
    statuses: list[int] = field(default_factory=list)
    """Answers to give first."""
    ranges: bool = True
    url: str = ""


@dataclass
class Told:
    """A reporter that remembers."""

    progress: list[tuple[str, int, int]] = field(default_factory=list)

    def download(self, what: str, done: int, total: int) -> None:
        self.progress.append((what, done, total))

    def note(self, message: str) -> None:
        raise AssertionError(message)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site({TOOL.path: CONTENT})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            site.requests.append((self.path[1:], asked))
            content = site.files.get(self.path[1:])
            if site.statuses or content is None:
                self.send_error(site.statuses.pop(0) if site.statuses else 404)
                return
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and site.ranges else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            end = start + site.break_after.pop(0) if site.break_after else len(content)
            self.wfile.write(content[start:end])

        @override
        def log_message(self, format: str, *args: Any) -> None:  # the base class names it
            """Keep quiet."""

    monkeypatch.setattr(download, "_FIRST_PAUSE_S", 0.0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


def to(folder: Path, site: Site) -> Fetch:
    return Fetch(folder, Told(), Repository(site.url))


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def part_of(folder: Path, artifact: Artifact) -> Path:
    path = folder / artifact.path
    return path.with_name(f"{path.name}.{artifact.sha256[:8]}.part")


async def test_a_missing_file_is_fetched_and_the_progress_told(site: Site, tmp_path: Path) -> None:
    told = Told()

    (path,) = await fetch("tools", [TOOL], Fetch(tmp_path, told, Repository(site.url)))

    assert path.read_bytes() == CONTENT
    assert told.progress[-1] == ("tools", TOOL.size, TOOL.size)
    assert [done for _, done, _ in told.progress] == sorted({done for _, done, _ in told.progress})


async def test_a_file_in_the_cache_is_not_asked_for(site: Site, tmp_path: Path) -> None:
    await fetch("tools", [TOOL], to(tmp_path, site))
    await fetch("tools", [TOOL], to(tmp_path, site))

    assert len(site.requests) == 1


async def test_a_broken_connection_is_taken_up_where_it_broke(site: Site, tmp_path: Path) -> None:
    site.break_after = [1000, 500]

    (path,) = await fetch("tools", [TOOL], to(tmp_path, site))

    assert path.read_bytes() == CONTENT
    assert [asked for _, asked in site.requests] == [None, "bytes=1000-", "bytes=1500-"]


async def test_what_an_earlier_run_left_is_taken_up(site: Site, tmp_path: Path) -> None:
    part = part_of(tmp_path, TOOL)
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:7000])

    (path,) = await fetch("tools", [TOOL], to(tmp_path, site))

    assert path.read_bytes() == CONTENT
    assert [asked for _, asked in site.requests] == ["bytes=7000-"]
    assert not part.exists()


async def test_a_server_without_ranges_is_read_from_the_start(site: Site, tmp_path: Path) -> None:
    site.ranges, site.break_after = False, [1000]

    (path,) = await fetch("tools", [TOOL], to(tmp_path, site))

    assert path.read_bytes() == CONTENT


async def test_a_spoiled_half_is_thrown_away_and_fetched_anew(site: Site, tmp_path: Path) -> None:
    part = part_of(tmp_path, TOOL)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 7000)

    (path,) = await fetch("tools", [TOOL], to(tmp_path, site))

    assert path.read_bytes() == CONTENT
    assert [asked for _, asked in site.requests] == ["bytes=7000-", None]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(CONTENT[:-1] + b"x", id="of-the-same-size"),
        pytest.param(CONTENT + b"x", id="that-is-longer"),
    ],
)
async def test_another_file_than_the_locked_one_is_refused_and_nothing_kept(
    site: Site, tmp_path: Path, other: bytes
) -> None:
    site.files[TOOL.path] = other

    with pytest.raises(DownloadError, match=r"org\.example:tool:1\.0@jar .* is not the file that is locked"):
        await fetch("tools", [TOOL], to(tmp_path, site))

    assert files_in(tmp_path) == [".tools.lock"]


async def test_a_shorter_file_than_the_locked_one_is_refused(site: Site, tmp_path: Path) -> None:
    site.files[TOOL.path] = CONTENT[:100]

    with pytest.raises(DownloadError, match=r"cannot fetch org\.example:tool:1\.0@jar"):
        await fetch("tools", [TOOL], to(tmp_path, site))

    assert not (tmp_path / TOOL.path).exists()


async def test_a_passing_server_error_is_retried(site: Site, tmp_path: Path) -> None:
    site.statuses = [503, 429]

    (path,) = await fetch("tools", [TOOL], to(tmp_path, site))

    assert path.read_bytes() == CONTENT


async def test_a_repository_without_the_file_is_named_at_once(site: Site, tmp_path: Path) -> None:
    site.files.clear()

    with pytest.raises(DownloadError, match=r"answered HTTP 404 .*STREAMWARDEN_MAVEN_REPOSITORY"):
        await fetch("tools", [TOOL], to(tmp_path, site))

    assert len(site.requests) == 1


async def test_a_full_disk_is_told_with_the_file_in_the_cache(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened_on_a_full_disk(_part: Path, _position: int) -> IO[bytes]:
        return open("/dev/full", "ab")  # noqa: PTH123  # in the place of the part file

    monkeypatch.setattr(download, "_opened_at", opened_on_a_full_disk)
    with pytest.raises(OSError, match="No space left on device") as told:
        await fetch("tool", [TOOL], Fetch(tmp_path, Told(), Repository(site.url)))

    assert why_unusable(told.value, tmp_path) == (
        f"the cache folder {tmp_path} cannot be used (No space left on device): "
        "name another one with STREAMWARDEN_CACHE"
    )


async def test_offline_the_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_FIRST_PAUSE_S", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (port,) = free_ports(1)
    nowhere = Fetch(tmp_path, Told(), Repository(f"http://127.0.0.1:{port}"))

    with pytest.raises(DownloadError, match=r"The first start needs a network; .* run the same command again"):
        await fetch("tools", [TOOL], nowhere)


async def test_a_download_that_was_given_up_leaves_no_file_in_its_place_and_is_taken_up_later(
    site: Site, tmp_path: Path
) -> None:
    site.break_after = [5000] * 4
    with pytest.raises(DownloadError):
        await fetch("tools", [TOOL], to(tmp_path, site))
    assert not (tmp_path / TOOL.path).exists()

    (path,) = await fetch("tools", [TOOL], to(tmp_path, site))

    assert path.read_bytes() == CONTENT
    assert site.requests[-1] == (TOOL.path, "bytes=20000-")


async def test_many_files_arrive_and_two_fetches_of_the_same_do_not_repeat_them(site: Site, tmp_path: Path) -> None:
    contents = {f"tool{number}": f"content {number}".encode() * 1000 for number in range(12)}
    artifacts = [artifact_of(content, name) for name, content in contents.items()]
    site.files = {one.path: contents[one.name] for one in artifacts}

    paths, again = await asyncio.gather(*(fetch("tools", artifacts, to(tmp_path, site)) for _ in range(2)))

    assert paths == again
    assert [path.read_bytes() for path in paths] == list(contents.values())
    assert len(site.requests) == len(contents)
