"""Manifests as people write them: files of YAML documents, with the line of every field.

Reading follows ``kubectl``: a mapping has each key once, timestamps are strings, ``yes`` is a boolean. What could be
understood in two ways is a problem with file and line, never a guess.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import yaml
from streamwarden_contract.models import API_VERSION, GROUP, KINDS
from typing_extensions import override

from streamwarden_cli.local.structural import nearest
from streamwarden_cli.local.yaml_nodes import Document, FieldPath, JsonValue, Loader, TooLargeError, field_text, line_of

MAX_FILE_BYTES = 4 * 1024 * 1024

_IGNORED_FILES = frozenset({"kustomization.yaml", "kustomization.yml"})
_OUR_KINDS: Final = {kind.__name__: kind for kind in KINDS}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something that is wrong in a file."""

    file: str
    line: int
    """From 1."""
    field: str
    """As in ``spec.rules[0].require``; empty where it is about the document or file."""
    message: str

    @override
    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: "
        return f"{where}{self.field}: {self.message}" if self.field else f"{where}{self.message}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One document that holds one of our kinds."""

    file: str
    line: int
    value: dict[str, JsonValue]
    lines: Mapping[FieldPath, int] = field(repr=False)

    @property
    def kind(self) -> str:
        """``TopicContract``, ``Policy`` or ``AgentDeployment``."""
        return str(self.value["kind"])

    @property
    def name(self) -> str:
        """``metadata.name``, empty where it is missing."""
        return self._metadata("name")

    @property
    def namespace(self) -> str:
        """``metadata.namespace``, by default ``default``."""
        return self._metadata("namespace") or "default"

    @property
    def key(self) -> tuple[str, str, str]:
        """Kind, namespace and name."""
        return self.kind, self.namespace, self.name

    def _metadata(self, key: str) -> str:
        metadata = self.value.get("metadata")
        value = metadata.get(key) if isinstance(metadata, dict) else None
        return value if isinstance(value, str) else ""

    def problem(self, path: FieldPath, message: str) -> Problem:
        """Say that the field at ``path`` is wrong; a field that is missing has the line of what should hold it."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        return Problem(self.file, self.lines.get(known, self.line), field_text(path), message)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a folder holds."""

    manifests: tuple[Manifest, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    """Documents that are passed over: other kinds are normal in such folders."""


def read_manifests(path: Path) -> Reading:
    """Read a file, or all ``*.yaml`` and ``*.yml`` of a folder and those below it, hidden ones left out."""
    manifests: list[Manifest] = []
    problems: list[Problem] = []
    notes: list[Problem] = []
    try:
        files = sorted(_files(path)) if path.is_dir() else [path]
    except OSError as error:
        return Reading(problems=(Problem(str(path), 1, "", f"cannot be read: {error.strerror}"),))
    for file in files:
        try:
            with file.open("rb") as stream:
                data = stream.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            problems.append(Problem(str(file), 1, "", f"cannot be read: {error.strerror}"))
            continue
        reading = parse_manifests(str(file), data)
        manifests.extend(reading.manifests)
        problems.extend(reading.problems)
        notes.extend(reading.notes)
    problems.extend(_repeated(manifests))
    return Reading(tuple(manifests), tuple(problems), tuple(notes))


def parse_manifests(file: str, data: bytes) -> Reading:
    """Read the documents of one file; ``file`` is what messages call it."""
    if len(data) > MAX_FILE_BYTES:
        return Reading(problems=(Problem(file, 1, "", f"larger than {MAX_FILE_BYTES // 2**20} MiB"),))
    manifests: list[Manifest] = []
    problems: list[Problem] = []
    notes: list[Problem] = []
    try:
        for node in yaml.compose_all(data, Loader=Loader):
            document = Document()
            value = document.read(node)
            problems.extend(
                Problem(file, fault.line, field_text(fault.path), fault.message) for fault in document.faults
            )
            if document.faults or value is None:
                continue
            _sort_out(Manifest(file, line_of(node), {}, document.lines), value, manifests, problems, notes)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.append(Problem(file, mark.line + 1 if mark else 1, "", f"not YAML: {error.problem or error.context}"))
    except yaml.YAMLError as error:
        # Only the reader's errors have no mark: characters that YAML forbids, or bytes that are not UTF-8.
        line = data.count(b"\n", 0, getattr(error, "position", 0)) + 1
        problems.append(Problem(file, line, "", f"not YAML: {getattr(error, 'reason', 'unreadable')}"))
    except TooLargeError as error:
        problems.append(Problem(file, error.line, "", str(error)))
    return Reading(tuple(manifests), tuple(problems), tuple(notes))


def _files(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        if file.suffix not in {".yaml", ".yml"} or file.name in _IGNORED_FILES or not file.is_file():
            continue
        if not any(part.startswith(".") for part in file.relative_to(folder).parts):
            yield file


def _sort_out(
    shell: Manifest, value: JsonValue, manifests: list[Manifest], problems: list[Problem], notes: list[Problem]
) -> None:
    """Put a document where it belongs: ours, a problem, or passed over."""
    if not isinstance(value, dict):
        notes.append(Problem(shell.file, shell.line, "", "passed over: not a Kubernetes resource"))
        return
    api_version, kind = value.get("apiVersion"), value.get("kind")
    ours = GROUP in (str(part).split("/")[0] for part in value.values() if isinstance(part, str))
    if api_version == API_VERSION and kind in _OUR_KINDS:
        manifests.append(Manifest(shell.file, shell.line, value, shell.lines))
    elif api_version == API_VERSION:
        known = f"{', '.join(_OUR_KINDS)}{nearest(str(kind), list(_OUR_KINDS))}"
        problems.append(shell.problem(("kind",), f"{_shown(kind)} is no kind of {API_VERSION}: {known}"))
    elif ours:
        problems.append(shell.problem(("apiVersion",), f"{_shown(api_version)}: write {API_VERSION}"))
    elif kind in _OUR_KINDS and "spec" in value and not isinstance(api_version, str):
        problems.append(shell.problem(("apiVersion",), f"missing: write {API_VERSION}"))
    elif kind == "List" and api_version == "v1":
        problems.append(shell.problem(("kind",), "a List is not read: give each resource a document of its own"))
    elif isinstance(kind, str) and isinstance(api_version, str):
        notes.append(Problem(shell.file, shell.line, "", f"passed over: {kind} of {api_version}"))
    else:
        notes.append(Problem(shell.file, shell.line, "", "passed over: not a Kubernetes resource"))


def _shown(value: object) -> str:
    return "missing" if value is None else repr(value)


def _repeated(manifests: list[Manifest]) -> Iterator[Problem]:
    first: dict[tuple[str, str, str], Manifest] = {}
    for manifest in manifests:
        if not manifest.name:
            continue
        other = first.setdefault(manifest.key, manifest)
        if other is not manifest:
            yield manifest.problem(
                ("metadata", "name"),
                f"{manifest.kind} {manifest.namespace}/{manifest.name} is already in {other.file}:{other.line}",
            )
