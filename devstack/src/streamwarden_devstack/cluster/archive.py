"""An image archive of a single static program, written without any image tool."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_USER = "65535:65535"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_image(path: Path, reference: str, program: Path) -> Path:
    """Write an archive as ``docker save`` would: one layer with the program at ``/``, which is what it runs."""
    layer = _tar({program.name: (program.read_bytes(), 0o755)})
    machine = platform.machine()
    config = {
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {"User": _USER, "Entrypoint": [f"/{program.name}"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    path.write_bytes(
        _tar(
            {
                "manifest.json": (json.dumps(manifest).encode(), 0o644),
                "config.json": (json.dumps(config).encode(), 0o644),
                "layer.tar": (layer, 0o644),
            }
        )
    )
    return path


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, (content, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
