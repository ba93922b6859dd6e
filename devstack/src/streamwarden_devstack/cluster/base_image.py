"""The base of all images where no registry is needed: a minimal Debian with Python, made by ``mmdebstrap``."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from streamwarden_devstack.cluster.execute import run_logged

if TYPE_CHECKING:
    from pathlib import Path

    from streamwarden_devstack.cluster.reporting import Reporter

_SUITE = "trixie"
# libstdc++ is in every Python image: wheels such as numpy's need it.
# venv brings the pip that builds use, as wheels of 2 MB; no image has a pip of its own.
_PACKAGES = ("python3", "python3-venv", "ca-certificates", "libstdc++6")
_LEFT_OUT = ("man", "doc", "locale", "info")
DOCKERFILE = """\
FROM scratch
ADD base.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"""


def _options() -> list[str]:
    return [
        "--mode=root",
        # Essential packages and their needs: no apt, nobody installs anything into a running image.
        "--variant=essential",
        f"--include={','.join(_PACKAGES)}",
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _LEFT_OUT),
    ]


def base_key() -> str:
    """Name a base after what it is asked to be. Debian's later updates come when its folder in the cache is removed."""
    return hashlib.sha256("\0".join((_SUITE, *_options(), DOCKERFILE)).encode()).hexdigest()[:12]


def make_base(folder: Path, reporter: Reporter) -> Path:
    """Make ``base.tar`` and its Dockerfile in a folder of their own, the context of the build; give the folder.

    Raises:
        CommandFailedError: Debian's archive cannot be had; the message shows the log's last lines.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Dockerfile").write_text(DOCKERFILE, "utf-8")
    if not (folder / "base.tar").is_file():
        new = folder / "new.tar"
        with reporter.step(f"making the base image (Debian {_SUITE} with Python)"):
            run_logged(["mmdebstrap", *_options(), _SUITE, str(new)], folder / "mmdebstrap.log")
        new.replace(folder / "base.tar")
    return folder
