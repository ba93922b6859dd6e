"""The Debian packages that the embedded cluster and its images are made with, and which of them are missing."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from streamwarden_devstack.cluster.errors import MissingPackagesError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NODE: Mapping[str, str] = {
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "ip": "iproute2",
    "unshare": "util-linux",
    "setsid": "util-linux",
    "nsenter": "util-linux",
    "mount": "mount",
}
"""Program → package, for the node."""
IMAGES: Mapping[str, str] = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
"""Program → package, for building images without Docker."""
_ADMINISTRATORS = "/usr/local/sbin:/usr/sbin:/sbin"


def require(programs: Mapping[str, str], found: Callable[[str], bool] | None = None) -> None:
    """Check that all programs are there.

    Raises:
        MissingPackagesError: Some are not; it names their packages.
    """
    if missing := missing_packages(programs, found or _is_there):
        names = " ".join(missing)
        raise MissingPackagesError(f"missing: {names}. Install with: apt-get install --no-install-recommends {names}")


def missing_packages(programs: Mapping[str, str], found: Callable[[str], bool]) -> list[str]:
    """Give the packages of the programs that are not found, sorted."""
    return sorted({package for program, package in programs.items() if not found(program)})


def _is_there(program: str) -> bool:
    # Programs of administrators are not on every user's PATH, not even on every root's.
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{_ADMINISTRATORS}") is not None
