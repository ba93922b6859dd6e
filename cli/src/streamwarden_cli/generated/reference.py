"""The reference pages under ``docs/reference/``, made from the models, so that they cannot lag behind."""

from collections.abc import Iterator
from enum import StrEnum
from typing import cast

from pydantic_settings import BaseSettings
from streamwarden_contract.models import API_VERSION, KINDS, Kind
from streamwarden_contract.reasons import ConditionReason, DeadLetterReason, EventReason, ScalingReason, VerdictReason
from streamwarden_gate.reasons import RefusalReason
from streamwarden_operator.metrics import FAMILIES
from streamwarden_operator.settings import OperatorSettings

from streamwarden_cli.exit_codes import MEANINGS
from streamwarden_cli.generated.audit_page import audit_page
from streamwarden_cli.generated.crd_yaml import Schema, structural_schema
from streamwarden_cli.generated.docstrings import cell, docs_of

_HEADER = "<!-- Made by 'streamwarden docs generate': edit the models. -->\n\n"


def pages() -> dict[str, str]:
    """Return the text of each page by file name, the same for the same models."""
    return {
        "audit.md": _HEADER + audit_page(),
        "exit-codes.md": _HEADER + "\n".join(_exit_codes()),
        "kinds.md": _HEADER + "\n".join(_kinds()),
        "metrics.md": _HEADER + "\n".join(_metrics()),
        "reasons.md": _HEADER + "\n".join(_reasons()),
        "settings.md": _HEADER + "\n".join(_settings(OperatorSettings)),
    }


def _kinds() -> Iterator[str]:
    yield "# The three kinds\n"
    yield f"`apiVersion: {API_VERSION}`, category `streamwarden` (`kubectl get streamwarden`).\n"
    for kind in KINDS:
        yield from _kind(kind)


def _kind(kind: type[Kind]) -> Iterator[str]:
    schema = structural_schema(kind)
    properties = cast("dict[str, Schema]", schema["properties"])
    yield f"## {kind.__name__}\n"
    yield f"{schema['description']} Short name `{kind.short_name}`.\n"
    for part in ("spec", "status"):
        yield f"### {kind.__name__} `{part}`\n"
        yield "| field | type | default | meaning |\n| --- | --- | --- | --- |"
        yield from _rows(properties[part], part)
        yield ""
    yield f"### {kind.__name__} conditions\n"
    yield "| condition | True means |\n| --- | --- |"
    yield from (f"| `{name}` | {cell(meaning)} |" for name, meaning in kind.conditions.items())
    yield ""
    if rules := list(dict.fromkeys(_rules_of(schema))):
        yield "The API server itself refuses what breaks one of these rules:\n"
        yield from (f"* {rule}" for rule in rules)
        yield ""


def _rows(schema: Schema, path: str) -> Iterator[str]:
    """One row a field, depth first; conditions are the same everywhere and are left out."""
    required = cast("list[str]", schema.get("required", []))
    for name, field in cast("dict[str, Schema]", schema.get("properties", {})).items():
        here = f"{path}.{name}"
        default = "required" if name in required else _code(field.get("default"))
        yield f"| `{here}` | {_type(field)} | {default} | {cell(str(field.get('description', '')))} |"
        if name == "conditions":
            continue
        items = cast("Schema", field.get("items", {}))
        yield from _rows(field, here)
        yield from _rows(items, f"{here}[]")


def _type(field: Schema) -> str:
    if "enum" in field:
        return " \\| ".join(f"`{value or repr(value)}`" for value in cast("list[object]", field["enum"]))
    kind = "integer or string" if field.get("x-kubernetes-int-or-string") else str(field.get("type"))
    if "items" in field:
        kind = f"list of {_type(cast('Schema', field['items']))}"
    elif "additionalProperties" in field:
        kind = f"map of {_type(cast('Schema', field['additionalProperties']))}"
    bounds = [
        text.format(field[key])
        for key, text in (
            ("minimum", "≥ {}"),
            ("maximum", "≤ {}"),
            ("maxLength", "≤ {} characters"),
            ("maxItems", "≤ {}"),
        )
        if key in field
    ]
    return f"{kind}, {', '.join(bounds)}" if bounds else kind


def _code(value: object) -> str:
    return "" if value is None else f"`{value!r}`" if isinstance(value, str) else f"`{value}`"


def _setting(value: object) -> str:
    """Write a default as one would in the environment; empty where there is none."""
    return "" if value in (None, "", ()) else f"`{value}`"


def _rules_of(schema: Schema) -> Iterator[str]:
    for rule in cast("list[dict[str, str]]", schema.get("x-kubernetes-validations", [])):
        yield rule["message"]
    for field in cast("dict[str, Schema]", schema.get("properties", {})).values():
        yield from _rules_of(field)
    if "items" in schema:
        yield from _rules_of(cast("Schema", schema["items"]))


def _reasons() -> Iterator[str]:
    yield "# Reasons\n"
    yield "Words are added and never changed: programs may match on them.\n"
    for title, vocabulary in (
        ("Verdicts, in audit records", VerdictReason),
        ("Dead letters", DeadLetterReason),
        ("Conditions", ConditionReason),
        ("Scaling, in `status.lastScaling` and Events", ScalingReason),
    ):
        yield f"## {title}\n\n| reason | meaning |\n| --- | --- |"
        docs = docs_of(vocabulary)
        yield from (f"| `{member}` | {cell(docs[member.name])} |" for member in vocabulary)
        yield ""
    yield from _events()
    yield from _gate_reports()


def _events() -> Iterator[str]:
    """Yield what else Events say; each word's docstring has a paragraph for each column."""
    yield "## Events\n"
    yield "Besides these, Events have the reasons of conditions and of scaling above, and, in the operator's namespace,"
    yield "the name of the error that keeps the operator from working (`SigningKeyLost`, `CannotGoOn`, `KafkaTooOld`):"
    yield "the message says what to do.\n"
    yield "| reason | type | when | what to do |\n| --- | --- | --- | --- |"
    yield from _explained(EventReason)


def _gate_reports() -> Iterator[str]:
    """Yield what keeps gates from judging; each word's docstring has a paragraph for each column."""
    yield "## What a gate reports\n"
    yield "Why a policy set is not in force, or a partition is not judged: in the message of the agent's `GateReady`,"
    yield "in the gate's log, and as `reason` on `<ns>.streamwarden.gates`. What cannot be judged becomes no command.\n"
    yield "| reason | meaning | ends by itself | first step |\n| --- | --- | --- | --- |"
    yield from _explained(RefusalReason)


def _explained(vocabulary: type[StrEnum]) -> Iterator[str]:
    """Yield a row for each word: its docstring has a paragraph for each column."""
    docs = docs_of(vocabulary)
    for word in vocabulary:
        cells = " | ".join(cell(paragraph) for paragraph in docs[word.name].split("\n\n"))
        yield f"| `{word}` | {cells} |"
    yield ""


def _settings(settings: type[BaseSettings]) -> Iterator[str]:
    prefix = settings.model_config.get("env_prefix", "")
    yield "# Settings of the operator\n"
    yield "Environment variables, read once at start; a missing, bad or misspelt one stops the process."
    yield "Durations are written `PT90S`, `00:01:30` or `P90D`.\n"
    yield "| variable | default | meaning |\n| --- | --- | --- |"
    for name, field in settings.model_fields.items():
        default = "required" if field.is_required() else _setting(field.get_default(call_default_factory=True))
        yield f"| `{prefix}{name.upper()}` | {default} | {cell(field.description or '')} |"
    yield ""


def _metrics() -> Iterator[str]:
    yield "# Metrics of the operator\n"
    yield "On `/metrics` of its health port, in Prometheus' text format, beside those of the process that Prometheus'"
    yield "client has (`process_resident_memory_bytes` and the like). Histograms have `_bucket`, `_sum` and `_count`."
    yield "Labels have few values: none is the name of a namespace or of an object."
    yield "[How to use them](../operate.md#metrics-and-a-look-inside).\n"
    yield "| metric | type | labels | meaning |\n| --- | --- | --- | --- |"
    for family in FAMILIES:
        labels = "; ".join(f"`{name}`: {cell(values)}" for name, values in family.labels.items())
        yield f"| `{family.full_name}` | {family.type} | {labels} | {cell(family.meaning)} |"
    yield ""


def _exit_codes() -> Iterator[str]:
    yield "# Exit codes of `streamwarden`\n"
    yield "The same for every command. [`streamwarden-operator run`](../operator.md) has its own.\n"
    yield "| code | when |\n| --- | --- |"
    yield from (f"| {code.value} | {cell(meaning)} |" for code, meaning in MEANINGS.items())
    yield ""
