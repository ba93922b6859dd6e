"""Manifests as people write them: files of YAML or JSON documents, with line and column of every field.

Reading follows ``kubectl``: a mapping has each key once, timestamps are strings, ``yes`` is a boolean. What could be
understood in two ways is a problem with file and line, never a guess.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import yaml
from streamwarden_contract.models import API_VERSION, GROUP, KINDS
from streamwarden_contract.names import SYSTEM
from streamwarden_contract.reasons import ConditionReason
from streamwarden_operator.desired.names import PART_OF_LABEL
from streamwarden_operator.desired.yaml_nodes import (
    Document,
    FieldPath,
    JsonValue,
    Loader,
    TooLargeError,
    field_text,
    line_of,
)
from typing_extensions import override

from streamwarden_cli.local.structural import nearest

MAX_FILE_BYTES = 4 * 1024 * 1024

SUFFIXES: Final = (".yaml", ".yml", ".json")
"""What ``kubectl apply -f FOLDER`` reads."""

UNREADABLE: Final = "Unreadable"
"""The reason of whatever is wrong with a file or document before anybody knows what it is."""
PASSED_OVER: Final = "PassedOver"
"""The reason of a note on a file or document that is none of ours."""

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
    column: int = dataclasses.field(default=1, compare=False)
    """In characters, from 1."""
    reason: str = dataclasses.field(default=UNREADABLE, compare=False)
    """A word for programs: a condition's reason, or ``UNREADABLE``."""

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
    lines: Mapping[FieldPath, int] = dataclasses.field(repr=False)
    columns: Mapping[FieldPath, int] = dataclasses.field(repr=False, default_factory=dict)

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

    def problem(self, path: FieldPath, message: str, reason: str = ConditionReason.INVALID_SPEC) -> Problem:
        """Say that the field at ``path`` is wrong; a field that is missing has the place of what should hold it."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        line, column = self.lines.get(known, self.line), self.columns.get(known, 1)
        return Problem(self.file, line, field_text(path), message, column, reason)

    def items(self) -> Iterator["Manifest"]:
        """Yield the documents of a ``List``, each with its own places; what is no list has none."""
        values = self.value.get("items")
        for index, value in enumerate(values if isinstance(values, list) else ()):
            at: FieldPath = ("items", index)
            lines, columns = (
                {path[2:]: place for path, place in places.items() if path[:2] == at}
                for places in (self.lines, self.columns)
            )
            # A document that is no mapping is told as one that is passed over.
            yield Manifest(self.file, lines[()], value if isinstance(value, dict) else {}, lines, columns)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a folder holds."""

    manifests: tuple[Manifest, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    """Documents that are passed over: other kinds are normal in such folders."""
    config_maps: tuple[Manifest, ...] = ()
    """ConfigMaps with the label of data beside rules."""

    def config_map(self, namespace: str, name: str) -> Mapping[str, str] | None:
        """Return what such a ConfigMap holds; None where there is none."""
        found = [each.value.get("data") for each in self.config_maps if each.key[1:] == (namespace, name)]
        return cast("dict[str, str]", found[0] or {}) if found else None


def read_manifests(path: Path) -> Reading:
    """Read a file, or all ``SUFFIXES`` of a folder and those below it, hidden ones left out.

    A folder's JSON files are often data: one that does not even name our group is passed over, whatever it holds.
    """
    manifests: list[Manifest] = []
    problems: list[Problem] = []
    notes: list[Problem] = []
    config_maps: list[Manifest] = []
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
        if path != file and file.suffix == ".json" and GROUP.encode() not in data:
            notes.append(_passed_over(str(file), 1, f"does not name {GROUP}"))
            continue
        reading = parse_manifests(str(file), data)
        manifests.extend(reading.manifests)
        config_maps.extend(reading.config_maps)
        problems.extend(reading.problems)
        notes.extend(reading.notes)
    problems.extend(_repeated([*manifests, *config_maps]))
    return Reading(tuple(manifests), tuple(problems), tuple(notes), tuple(config_maps))


def parse_manifests(file: str, data: bytes) -> Reading:
    """Read the documents of one file; ``file`` is what messages call it."""
    if len(data) > MAX_FILE_BYTES:
        return Reading(problems=(Problem(file, 1, "", f"larger than {MAX_FILE_BYTES // 2**20} MiB"),))
    manifests: list[Manifest] = []
    problems: list[Problem] = []
    notes: list[Problem] = []
    try:
        # A tab between JSON's tokens is space, and within a string it cannot stand; YAML knows it as neither.
        is_json = file.endswith(".json")
        for node in yaml.compose_all(data.replace(b"\t", b" ") if is_json else data, Loader=Loader):
            document = Document(is_json=is_json)
            value = document.read(node)
            problems.extend(
                Problem(file, fault.line, field_text(fault.path), fault.message, fault.column)
                for fault in document.faults
            )
            if document.faults or value is None:
                continue
            shell = Manifest(file, line_of(node), {}, document.lines, document.columns)
            _sort_out(shell, value, manifests, problems, notes)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problems.append(Problem(file, line, "", f"not YAML: {error.problem or error.context}", column))
    except yaml.YAMLError as error:
        # Only the reader's errors have no mark: characters that YAML forbids, or bytes that are not UTF-8.
        line = data.count(b"\n", 0, getattr(error, "position", 0)) + 1
        problems.append(Problem(file, line, "", f"not YAML: {getattr(error, 'reason', 'unreadable')}"))
    except TooLargeError as error:
        problems.append(Problem(file, error.line, "", str(error)))
    ours = [manifest for manifest in manifests if manifest.kind in _OUR_KINDS]
    config_maps = [manifest for manifest in manifests if manifest.kind not in _OUR_KINDS]
    return Reading(tuple(ours), tuple(problems), tuple(notes), tuple(config_maps))


def _files(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        if file.suffix not in SUFFIXES or file.name in _IGNORED_FILES or not file.is_file():
            continue
        if not any(part.startswith(".") for part in file.relative_to(folder).parts):
            yield file


def _sort_out(
    shell: Manifest, value: JsonValue, manifests: list[Manifest], problems: list[Problem], notes: list[Problem]
) -> None:
    """Put a document where it belongs: ours, a problem, or passed over."""
    if not isinstance(value, dict):
        notes.append(_passed_over(shell.file, shell.line, "not a Kubernetes resource"))
        return
    api_version, kind = value.get("apiVersion"), value.get("kind")
    ours = GROUP in (str(part).split("/")[0] for part in value.values() if isinstance(part, str))
    if api_version == API_VERSION and kind in _OUR_KINDS:
        manifests.append(dataclasses.replace(shell, value=value))
    elif api_version == API_VERSION:
        known = f"{', '.join(_OUR_KINDS)}{nearest(str(kind), list(_OUR_KINDS))}"
        problems.append(shell.problem(("kind",), f"{_shown(kind)} is no kind of {API_VERSION}: {known}"))
    elif ours:
        problems.append(shell.problem(("apiVersion",), f"{_shown(api_version)}: write {API_VERSION}"))
    elif kind in _OUR_KINDS and "spec" in value and not isinstance(api_version, str):
        problems.append(shell.problem(("apiVersion",), f"missing: write {API_VERSION}"))
    elif kind == "List" and api_version == "v1":
        for item in dataclasses.replace(shell, value=value).items():
            _sort_out(item, item.value, manifests, problems, notes)
    elif (api_version, kind) == ("v1", "ConfigMap") and _has_params(value):
        found = dataclasses.replace(shell, value=value)
        manifests.append(found)
        problems.extend(_no_texts(found))
    elif isinstance(kind, str) and isinstance(api_version, str):
        notes.append(_passed_over(shell.file, shell.line, f"{kind} of {api_version}"))
    else:
        notes.append(_passed_over(shell.file, shell.line, "not a Kubernetes resource"))


def _passed_over(file: str, line: int, why: str) -> Problem:
    return Problem(file, line, "", f"passed over: {why}", reason=PASSED_OVER)


def _has_params(value: dict[str, JsonValue]) -> bool:
    """Tell whether a ConfigMap has the label of data beside rules: without it the operator does not see it."""
    metadata = value.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    return isinstance(labels, dict) and labels.get(PART_OF_LABEL) == SYSTEM


def _no_texts(config_map: Manifest) -> Iterator[Problem]:
    data = config_map.value.get("data")
    if data is not None and not isinstance(data, dict):
        yield config_map.problem(("data",), "must be a mapping")
    for key, text in data.items() if isinstance(data, dict) else ():
        if not isinstance(text, str):
            yield config_map.problem(("data", key), "must be a string: write it as a block, with '|'")


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
