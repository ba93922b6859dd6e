"""Rules drawn at random over fields of every type, and a decision that has them all."""

from datetime import UTC, datetime
from random import Random

from cel_expr_python import cel
from streamwarden_contract.canonical import JsonValue
from streamwarden_judging.typed.coercion import coercion
from streamwarden_judging.typed.environment import runtime_env
from streamwarden_judging.typed.facts import Covered, rule_types

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SCHEMA: JsonValue = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "kind": {"enum": ["mail", "url"]},
        "count": {"type": "integer"},
        "rate": {"type": "number"},
        "urgent": {"type": "boolean"},
        "note": {"type": ["string", "null"]},
        "first-name": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
        "counts": {"type": "array", "items": {"type": "integer"}, "maxItems": 5},
        "rates": {"type": "array", "items": {"type": "number"}, "maxItems": 5},
        "limits": {"type": "object", "additionalProperties": {"type": "number"}, "maxProperties": 5},
        "items": {"type": "array", "maxItems": 5, "items": {"$ref": "#/$defs/item"}},
        "nested": {"$ref": "#/$defs/item"},
        "open": {},
    },
    "$defs": {"item": {"type": "object", "properties": {"price": {"type": "number"}, "name": {"type": "string"}}}},
}
PARAMETERS: dict[str, JsonValue] = {
    "text": "abc",
    "kind": "mail",
    "count": 3.0,
    "rate": 40,
    "urgent": True,
    "note": "n",
    "first-name": "Ann",
    "tags": ["a", "b"],
    "counts": [1, 2.0],
    "rates": [1, 2.5],
    "limits": {"EUR": 100, "abc": 2.5},
    "items": [{"price": 1, "name": "x"}, {"price": 2.5, "name": "y"}],
    "nested": {"price": 7, "name": "z"},
    "open": {"x": 1},
}
PARAMS: dict[str, JsonValue] = {
    "limits": {"EUR": 5, "abc": 1.5},
    "names": ["a", "b"],
    "owners": {"abc": ["x"]},
    "factor": 2,
    "share": 1.5,
    "mixed": {"EUR": "500", "CHF": 450.5},
}
DECISION: dict[str, JsonValue] = {
    "type": "block-url",
    "entity": "page-1",
    "parameters": PARAMETERS,
    "cause": {"topic": "t", "partition": 0, "offset": 7},
    "confidence": 1,
    "reasoning": "because",
    "model": {"name": "m", "version": "1", "digest": "d"},
    "expectedVersion": 2,
}
AGENT: dict[str, JsonValue] = {"namespace": "risk", "name": "guard", "uid": "u", "labels": {"role": "x"}}
TYPES, VARIABLES = rule_types(Covered("block-url", SCHEMA), labels=["role"], params=PARAMS)
ENV = runtime_env({**dict.fromkeys(VARIABLES, cel.Type.Map(cel.Type.STRING, cel.Type.DYN)), "now": cel.Type.TIMESTAMP})


def evaluate(expression: str, decision: dict[str, JsonValue] | None = None) -> object:
    """Return what a rule gives over the decision, as maps with coerced values; the text of its error if it fails."""
    given: dict[str, JsonValue] = {"decision": DECISION if decision is None else decision}
    given |= {"agent": AGENT, "params": PARAMS}
    coerced: dict[str, object] = {}
    for name, value in given.items():
        coerce = coercion(VARIABLES[name], TYPES)
        coerced[name] = value if coerce is None else coerce(value)
    try:
        result = ENV.compile(expression).eval(ENV.Activation({**coerced, "now": NOW}))
    except (RuntimeError, ValueError) as error:
        return str(error)
    return str(result.value()) if result.type() == cel.Type.ERROR else result.plain_value()


_PATH = "decision.parameters."
_ATOMS: dict[str, tuple[str, ...]] = {
    "bool": ("true", f"{_PATH}urgent", "has(decision.parameters.note)", "has(decision.nothing)"),
    "int": ("0", "1", "7", f"{_PATH}count", "decision.cause.offset", "decision.expectedVersion"),
    "double": (
        "2.5",
        f"{_PATH}rate",
        "decision.confidence",
        f"{_PATH}nested.price",
        f"{_PATH}limits.EUR",
        "params.limits.EUR",
    ),
    "string": (
        "'a'",
        "'mail'",
        f"{_PATH}text",
        f"{_PATH}kind",
        f"{_PATH}`first-name`",
        "decision.entity",
        "agent.labels.role",
    ),
    "note": (f"{_PATH}note",),
    "null": ("null",),
    "uint": ("2u",),
    "bytes": ("b'a'",),
    "timestamp": ("now", "timestamp('2026-01-01T00:00:00Z')"),
    "duration": ("duration('1h')", "duration('90s')"),
    "strings": (f"{_PATH}tags", "['a', 'b']", "params.names", "params.owners.abc", "[]"),
    "ints": (f"{_PATH}counts", "[1, 2]"),
    "doubles": (f"{_PATH}rates", "[1.5]", f"{_PATH}items.map(x, x.price)"),
    "items": (f"{_PATH}items", f"[{_PATH}nested]"),
    "item": (f"{_PATH}nested", f"{_PATH}items[0]"),
    "map": (f"{_PATH}limits", "{'a': 1.5}", "{}"),
    "odd": (f"{_PATH}open", "params.limits", "params.owners", "decision", "int", "{'a': 1}", "x"),
}
_NUMBER, _ANY = ("int", "double", "uint"), tuple(_ATOMS)
_LISTS = {"strings": "string", "ints": "int", "doubles": "double", "items": "item"}
_FORMS: dict[str, tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]] = {
    "bool": (
        *((f"({{0}} {sign} {{1}})", (("bool",), ("bool",))) for sign in ("&&", "||", "==")),
        *((f"({{0}} {sign} {{1}})", (_NUMBER, _NUMBER)) for sign in ("<", "<=", ">", ">=", "==", "!=")),
        *(("({0} < {1})", ((kind,), (kind,))) for kind in ("string", "timestamp", "duration", "bytes", "note")),
        *(("({0} == {1})", ((kind,), (kind, "null"))) for kind in _ANY),
        *(("({0} in {1})", ((item,), (many,))) for many, item in _LISTS.items()),
        *(("({0} in {1})", (("string", "null"), ("map", "odd"))), ("({0} in {1})", (_NUMBER, ("ints", "doubles")))),
        *(
            (f"{{0}}.{name}({{1}})", (("string",), ("string", "note")))
            for name in ("contains", "startsWith", "endsWith")
        ),
        *((f"{{0}}.{name}(x, {{1}})", (tuple(_LISTS), ("bool",))) for name in ("all", "exists", "exists_one")),
        ("!{0}", (("bool",),)),
        ("bool({0})", (("bool", "string"),)),
        ("{0}.matches('a+')", (("string", "note"),)),
        ("has({0}.price)", (("item",),)),
        ("(type({0}) == type({1}))", (_ANY, _ANY)),
        ("({0} ? {1} : {2})", (("bool",), ("bool",), ("bool",))),
    ),
    "int": (
        *((f"({{0}} {sign} {{1}})", (("int",), ("int",))) for sign in ("+", "-", "*", "/", "%")),
        *((f"{{0}}.{name}()", (("timestamp",),)) for name in ("getFullYear", "getMonth", "getDayOfYear", "getDate")),
        *((f"{{0}}.{name}()", (("timestamp", "duration"),)) for name in ("getHours", "getMinutes", "getMilliseconds")),
        ("size({0})", (("string", "strings", "items", "map", "bytes", "note"),)),
        ("int({0})", (("int", "double", "uint", "string", "timestamp"),)),
        ("-{0}", (("int",),)),
        ("{0}[0]", (("ints",),)),
    ),
    "double": (
        *((f"({{0}} {sign} {{1}})", (("double",), ("double",))) for sign in ("+", "-", "*", "/")),
        ("double({0})", (("int", "double", "uint", "string"),)),
        ("-{0}", (("double",),)),
        ("{0}[{1}]", (("map", "odd"), ("string", "note"))),
        ("{0}.price", (("item",),)),
        ("({0} ? {1} : {2})", (("bool",), ("double",), ("double",))),
    ),
    "string": (
        ("({0} + {1})", (("string",), ("string", "note"))),
        ("string({0})", (("int", "double", "uint", "bool", "string", "timestamp", "duration", "bytes"),)),
        ("{0}[0]", (("strings",),)),
        ("{0}.name", (("item",),)),
        ("({0} ? {1} : {2})", (("bool",), ("string",), ("string", "note"))),
    ),
    "timestamp": (("({0} + {1})", (("timestamp",), ("duration",))), ("timestamp({0})", (("int", "timestamp"),))),
    "duration": (("({0} - {1})", (("timestamp",), ("timestamp",))), ("({0} + {1})", (("duration",), ("duration",)))),
    "strings": (
        ("({0} + {1})", (("strings",), ("strings",))),
        ("{0}.filter(x, {1})", (("strings",), ("bool",))),
        ("{0}.map(x, {1})", (tuple(_LISTS), ("string",))),
        ("{0}.map(x, {1}, {2})", (("strings", "map"), ("bool",), ("string",))),
        ("[{0}, {1}]", (("string",), ("string", "note"))),
    ),
    "ints": (("{0}.map(x, {1})", (tuple(_LISTS), ("int",))), ("[{0}, {1}]", (("int",), ("int", "double")))),
    "bytes": (("bytes({0})", (("string", "bytes"),)), ("({0} + {1})", (("bytes",), ("bytes",)))),
    "uint": (("uint({0})", (("int", "double", "string"),)), ("({0} * {1})", (("uint",), ("uint",)))),
    "map": (("{{'a': {0}, 'b': {1}}}", (("double",), ("double", "int"))),),
}


def draw_rule(seed: int) -> str:
    """Draw a boolean expression. Most make sense; whether one does is for the checker to say."""
    return _draw(Random(seed), "bool", 4)  # noqa: S311  # guards nothing


def _draw(random: Random, kind: str, depth: int) -> str:
    if random.random() < 0.02:  # now and then one that does not fit
        kind = random.choice(_ANY)
    if depth == 0 or kind not in _FORMS or random.random() < 0.2:  # so that some stay small
        return random.choice((*_ATOMS[kind], "x")) if random.random() < 0.2 else random.choice(_ATOMS[kind])  # a loop's
    form, parts = random.choice(_FORMS[kind])
    return form.format(*(_draw(random, random.choice(part), depth - 1) for part in parts))
