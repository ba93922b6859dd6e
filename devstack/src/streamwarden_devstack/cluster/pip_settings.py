"""How this machine's pip reaches packages, for the time of a build: its configuration and its certificates.

Both are lent to a build as secrets, so that nothing of them is in an image.
"""

from __future__ import annotations

import configparser
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TAKEN = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries", "no-index")
"""What says where packages are. The rest may name files of this machine, which a build cannot see."""
_CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_BUNDLES = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt"))


def configuration_files(environment: Mapping[str, str] = os.environ, home: Path | None = None) -> tuple[Path, ...]:
    """Give pip's configuration files in the order in which the later wins."""
    home = home or Path.home()
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    candidates = [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    if named := environment.get("PIP_CONFIG_FILE"):
        candidates.append(Path(named))
    return tuple(path for path in candidates if path.is_file())


def build_configuration(texts: Iterable[str], environment: Mapping[str, str]) -> str:
    """Merge configurations and ``PIP_*`` variables into one, with only what a build can use."""
    taken: dict[str, str] = {}
    for text in texts:
        parser = configparser.RawConfigParser()
        parser.read_string(text)
        for section in ("global", "install"):
            if parser.has_section(section):
                taken |= {key: value for key, value in parser.items(section) if key in _TAKEN}
    for name in _TAKEN:
        if value := environment.get(f"PIP_{name.upper().replace('-', '_')}"):
            taken[name] = value
    merged = configparser.RawConfigParser()
    merged["global"] = taken
    buffer = io.StringIO()
    merged.write(buffer)
    return buffer.getvalue()


def find_certificates(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Find the bundle of certificates that this machine trusts."""
    named = (Path(environment[name]) for name in _CERTIFICATES if environment.get(name))
    return next((path for path in (*named, *_BUNDLES) if path.is_file()), None)
