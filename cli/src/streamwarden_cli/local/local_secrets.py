"""Secrets and variables of the person who runs ``dev``, from files: what no manifest should hold.

Values are in no message, no ``repr`` and no file of ours: they go into the environment of agents, and nowhere else.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import yaml
from streamwarden_operator.desired.yaml_nodes import Document, Loader, TooLargeError, line_of

from streamwarden_cli.local.state import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from streamwarden_operator.desired.yaml_nodes import JsonValue

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_QUOTES = ("'", '"')
_MAX_BYTES = 1024 * 1024
"""As Kubernetes bounds a Secret."""


class SecretsError(StateError):
    """A file with Secrets or variables cannot be used; the message never has what stands there."""


@dataclass(frozen=True, slots=True)
class LocalSecrets:
    """The Secrets that a person has given."""

    _data: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict, repr=False)

    def find(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return a Secret's values by key; None where there is no such Secret."""
        return self._data.get((namespace, name))


def read_secrets(path: Path) -> LocalSecrets:
    """Read Secrets: a file of Kubernetes' own manifests, or a folder ``<namespace>/<secret>/<key>`` of plain files.

    Raises:
        SecretsError: it cannot be read, or holds something else.
    """
    found: dict[tuple[str, str], Mapping[str, str]] = {}
    try:
        secrets = _in_folder(path) if path.is_dir() else _in_file(path)
        for namespace, name, data in secrets:
            if (namespace, name) in found:
                raise SecretsError(f"{path}: the Secret {namespace}/{name} is there twice")
            found[namespace, name] = data
    except OSError as error:
        raise SecretsError(f"{error.filename or path} cannot be read: {error.strerror}") from error
    return LocalSecrets(found)


def read_env_file(path: Path) -> dict[str, str]:
    """Read variables: ``NAME=VALUE`` a line, ``#`` begins a comment, quotes around a value are not part of it.

    Raises:
        SecretsError: it cannot be read, or a line is something else.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except OSError as error:
        raise SecretsError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SecretsError(f"{path} is not UTF-8") from None
    found = {}
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        if not (assigned := _ASSIGNMENT.fullmatch(line)):
            raise SecretsError(f"{path}:{number}: write NAME=VALUE")
        name, value = assigned.groups()
        found[name] = value[1:-1] if len(value) > 1 and value[0] == value[-1] in _QUOTES else value
    return found


def chosen_variables(names: Sequence[str], file: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what agents are to have of a person's variables: those of a file, and by name those of the shell.

    Raises:
        SecretsError: the file cannot be used, or a name is not set.
    """
    if missing := [name for name in names if name not in environment]:
        raise SecretsError(f"--env {missing[0]}: no such variable is set here (give its name only)")
    return {**(read_env_file(file) if file else {}), **{name: environment[name] for name in names}}


def _in_folder(folder: Path) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    for secret in sorted(folder.glob("*/*/")):
        files = (path for path in sorted(secret.iterdir()) if path.is_file() and not path.name.startswith("."))
        yield secret.parent.name, secret.name, {path.name: _text(path) for path in files}


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise SecretsError(f"{path} is not UTF-8: an environment cannot hold it") from None


def _in_file(path: Path) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    data = path.read_bytes()
    if len(data) > _MAX_BYTES:
        raise SecretsError(f"{path} is larger than {_MAX_BYTES // 2**20} MiB")
    line = 1
    try:
        for node in yaml.compose_all(data, Loader=Loader):
            line = line_of(node)
            document = Document()
            value = document.read(node)
            if document.faults:
                line = document.faults[0].line
                raise SecretsError(f"{path}:{line}: not understood; put values in quotes")
            yield from _secret(f"{path}:{line}", value)
    except (yaml.YAMLError, TooLargeError):
        # Its own message may show what stands there.
        raise SecretsError(f"{path}:{line}: not YAML") from None


def _secret(place: str, value: JsonValue) -> Iterator[tuple[str, str, Mapping[str, str]]]:
    if value is None:
        return
    if not isinstance(value, dict) or (value.get("apiVersion"), value.get("kind")) != ("v1", "Secret"):
        raise SecretsError(f"{place}: not a Secret: write apiVersion: v1, kind: Secret, metadata, and stringData")
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(name, str):
        raise SecretsError(f"{place}: metadata.name is missing")
    plain, encoded = (value.get(part) or {} for part in ("stringData", "data"))
    for part in (plain, encoded):
        if not isinstance(part, dict) or not all(isinstance(item, str) for item in part.values()):
            raise SecretsError(f"{place}: data and stringData hold strings; put values in quotes")
    try:
        decoded = {
            key: base64.b64decode(text, validate=True).decode() for key, text in cast("dict[str, str]", encoded).items()
        }
    except ValueError:
        raise SecretsError(f"{place}: data holds UTF-8 in base64; write plain text as stringData") from None
    yield str(metadata.get("namespace") or "default"), name, {**decoded, **cast("dict[str, str]", plain)}
