"""Fetch locked files into the cache: several at once, resumed, checked, and put in place atomically."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import httpx
from streamwarden_kafka.private_files import naming

from streamwarden_devstack.stack.errors import DownloadError
from streamwarden_devstack.stack.repository import REPOSITORY_VARIABLE, Repository, find_repository

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from streamwarden_devstack.stack.locked import Artifact
    from streamwarden_devstack.stack.reporting import Reporter

_AT_ONCE = 8
_ATTEMPTS = 4
"""A broken connection is taken up again this often, after 0.5, 1, 2 s."""
_FIRST_PAUSE_S = 0.5
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Fetch:
    """What a fetch needs to know."""

    folder: Path
    reporter: Reporter
    repository: Repository | None = None
    """``None``: found when something is missing."""


async def fetch(what: str, artifacts: Sequence[Artifact], to: Fetch) -> list[Path]:
    """Give the paths of all artifacts, fetching what the cache lacks.

    Files in the cache were checked when they arrived; here only their size is looked at. Two processes that
    miss the same files do not fetch them twice.

    Raises:
        DownloadError: Something cannot be had, or has another SHA-256 than the lock says.
    """
    paths = [to.folder / artifact.path for artifact in artifacts]
    if not _missing(artifacts, to.folder):
        return paths
    async with _one_at_a_time(to.folder / f".{what}.lock"):
        if missing := _missing(artifacts, to.folder):
            await _fetch_all(what, missing, to)
    return paths


def _missing(artifacts: Sequence[Artifact], folder: Path) -> list[Artifact]:
    def lacks(artifact: Artifact) -> bool:
        path = folder / artifact.path
        return not path.is_file() or path.stat().st_size != artifact.size

    return [artifact for artifact in artifacts if lacks(artifact)]


async def _fetch_all(what: str, missing: Sequence[Artifact], to: Fetch) -> None:
    repository = to.repository or find_repository()
    login = httpx.BasicAuth(repository.username, repository.password) if repository.username else None
    total, done = sum(artifact.size for artifact in missing), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        to.reporter.download(what, done, total)

    slots = asyncio.Semaphore(_AT_ONCE)
    async with httpx.AsyncClient(follow_redirects=True, timeout=_TIMEOUT, auth=login) as client:
        source = _Source(client, repository.url)
        try:
            async with asyncio.TaskGroup() as group:
                # The largest first, so that no big one is left alone at the end.
                for artifact in sorted(missing, key=lambda one: -one.size):
                    group.create_task(_fetch_one(artifact, to.folder / artifact.path, source, slots, advance))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed


@dataclass(frozen=True, slots=True)
class _Source:
    client: httpx.AsyncClient
    url: str


async def _fetch_one(
    artifact: Artifact, path: Path, source: _Source, slots: asyncio.Semaphore, advance: Callable[[int], None]
) -> None:
    async with slots:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{artifact.sha256[:8]}.part")
        counted, resumed = _Counted(advance), part.exists()
        for attempt in range(_ATTEMPTS):
            try:
                await _receive(artifact, part, source, counted)
            except _AgainError as error:
                if attempt == _ATTEMPTS - 1:
                    raise _unreachable(artifact, source.url, error) from error
                resumed = True
                await asyncio.sleep(_FIRST_PAUSE_S * 2**attempt)
                continue
            if await asyncio.to_thread(_sha256, part) == artifact.sha256:
                part.replace(path)
                return
            part.unlink()
            if resumed:
                # The half from before may be to blame: once more, from the start.
                resumed = False
                continue
            raise DownloadError(
                f"{artifact.coordinates} from {source.url} is not the file that is locked: its SHA-256 differs. "
                f"Nothing of it was kept. If you use a mirror, ask who runs it; else try again later, or name "
                f"another repository with {REPOSITORY_VARIABLE}."
            )


class _AgainError(Exception):
    """Worth another attempt."""


class _Counted:
    """Counts a file's bytes once, however often parts of it are received."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance
        self._told = 0

    def at(self, position: int) -> None:
        if position != self._told:
            self._advance(position - self._told)
            self._told = position


async def _receive(artifact: Artifact, part: Path, source: _Source, counted: _Counted) -> None:
    """Bring the part file to its full size, from where it is."""
    have = _size(part)
    counted.at(have)
    if have >= artifact.size:
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        async with source.client.stream("GET", f"{source.url}/{artifact.path}", headers=headers) as answer:
            if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                _truncate(part)
                raise _AgainError("the server's file is shorter than what had arrived")
            position = _position(answer, have)
            with naming(part), _opened_at(part, position) as file:
                # In no larger pieces than they arrive in: what waits in a buffer is lost when the connection breaks.
                async for chunk in answer.aiter_bytes():
                    file.write(chunk)
                    position += len(chunk)
                    counted.at(position)
                    if position > artifact.size:
                        break
    except httpx.HTTPStatusError as error:
        if error.response.status_code in _RETRIED:
            raise _AgainError(f"HTTP {error.response.status_code}") from error
        raise _refused(artifact, source.url, error.response.status_code) from error
    except httpx.HTTPError as error:
        raise _AgainError(str(error) or type(error).__name__) from error
    if position < artifact.size:
        raise _AgainError(f"ended after {position} of {artifact.size} bytes")


def _position(answer: httpx.Response, have: int) -> int:
    """Where in the file the answer's first byte belongs."""
    answer.raise_for_status()
    if answer.status_code != httpx.codes.PARTIAL_CONTENT:
        return 0
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != have:
        raise _AgainError("the server sent another range than the one asked for")
    return have


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _truncate(part: Path) -> None:
    _opened_at(part, 0).close()


def _opened_at(part: Path, position: int) -> BinaryIO:
    """Open for appending at a position; what was behind it is dropped."""
    file = part.open("ab")
    file.truncate(position)
    return file


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.asynccontextmanager
async def _one_at_a_time(lock: Path) -> AsyncIterator[None]:
    """Hold a lock file against other processes; the kernel lets go of it when we die."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(0.2)
        yield


def _unreachable(artifact: Artifact, url: str, error: Exception) -> DownloadError:
    return DownloadError(
        f"cannot fetch {artifact.coordinates} from {url}: {error}. The first start needs a network; what has "
        f"arrived is kept, so run the same command again. Behind a mirror, name it in ~/.m2/settings.xml or "
        f"with {REPOSITORY_VARIABLE}."
    )


def _refused(artifact: Artifact, url: str, status: int) -> DownloadError:
    return DownloadError(
        f"{url} answered HTTP {status} for {artifact.coordinates}. Name a repository that has it with "
        f"{REPOSITORY_VARIABLE}, or a mirror in ~/.m2/settings.xml."
    )
