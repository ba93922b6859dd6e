"""Where locked files are fetched from. No address is written here.

The repository is, in this order: ``STREAMWARDEN_MAVEN_REPOSITORY``, a mirror that the user's Maven settings
name for the central repository, the central repository as the library ``jgo`` knows it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from streamwarden_devstack.stack.errors import DownloadError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

REPOSITORY_VARIABLE = "STREAMWARDEN_MAVEN_REPOSITORY"


@dataclass(frozen=True, slots=True)
class Repository:
    """A Maven repository reached over HTTP."""

    url: str
    """Without a slash at its end."""
    username: str = ""
    password: str = field(default="", repr=False)


def find_repository(environment: Mapping[str, str] = os.environ, home: Path | None = None) -> Repository:
    """Find the repository to fetch from, as the module says.

    Raises:
        DownloadError: The user's Maven settings are not XML.
    """
    if named := environment.get(REPOSITORY_VARIABLE):
        return Repository(named.rstrip("/"))
    settings = (home or Path.home()) / ".m2" / "settings.xml"
    if settings.is_file():
        try:
            mirror = central_mirror(settings.read_text("utf-8"), environment)
        except ET.ParseError as error:
            raise DownloadError(f"{settings} is not XML ({error}); mend it or set {REPOSITORY_VARIABLE}") from error
        if mirror is not None:
            return mirror
    from jgo.constants import MAVEN_CENTRAL_URL

    return Repository(MAVEN_CENTRAL_URL.rstrip("/"))


def central_mirror(settings: str, environment: Mapping[str, str]) -> Repository | None:
    """Find the first mirror of the central repository in a Maven ``settings.xml``.

    ``${env.NAME}`` is filled in. Passwords that Maven encrypted (``{...}``) are left out.
    """
    root = ET.fromstring(settings)  # noqa: S314  # the user's own file, in the user's own home
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    for mirror in root.findall("mirrors/mirror"):
        if _mirrors_central(mirror.findtext("mirrorOf", "")):
            identity = mirror.findtext("id", "").strip()
            url = _filled(mirror.findtext("url", ""), environment)
            return Repository(url.rstrip("/"), *_login(root, identity, environment))
    return None


def _mirrors_central(mirror_of: str) -> bool:
    names = {name.strip() for name in mirror_of.split(",")}
    return bool(names & {"central", "*", "external:*"}) and "!central" not in names


def _login(root: ET.Element, identity: str, environment: Mapping[str, str]) -> Iterator[str]:
    for server in root.findall("servers/server"):
        password = _filled(server.findtext("password", ""), environment)
        if server.findtext("id", "").strip() == identity and not password.startswith("{"):
            yield _filled(server.findtext("username", ""), environment)
            yield password
            return


def _filled(text: str, environment: Mapping[str, str]) -> str:
    return re.sub(r"\$\{env\.(\w+)\}", lambda match: environment.get(match[1], ""), text.strip())
