"""What rules are estimated to cost, beside what they take at the largest data that a record may hold.

A corpus of worst cases, each over data that fills the record's 64 KiB in the way that costs most. An estimate may be
far above what is measured; one that is below would let a rule in that holds a gate longer than was said.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cel_expr_python import cel
from harness import Figures, Goal, Result
from streamwarden_judging.typed import syntax
from streamwarden_judging.typed.environment import checking_env, runtime_env
from streamwarden_judging.typed.facts import Covered, rule_types
from streamwarden_judging.typed.quoting import ForChecking
from streamwarden_judging.typed.reading import Reading
from streamwarden_judging.typed.sizes import size_of

if TYPE_CHECKING:
    from streamwarden_contract.canonical import JsonValue

NAME = "rule_costs"
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
SCHEMA: JsonValue = {
    "type": "object",
    "properties": {
        "s": {"type": "string"},
        "r": {"type": "string"},
        "short": {"type": "string", "maxLength": 40},
        "n": {"type": "integer"},
        "l": {"type": "array", "items": {"type": "string"}},
        "k": {"type": "array", "items": {"type": "string"}, "maxItems": 100},
        "ns": {"type": "array", "items": {"type": "integer"}},
        "m": {"type": "object", "additionalProperties": {"type": "integer"}},
        "o": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}}}},
        "u": {},
    },
}
FULL = 64_000
TEXT, HALF = "a" * FULL, "a" * (FULL // 2)
TINY: list[JsonValue] = ["a"] * 9_999
LONG: list[JsonValue] = ["a" * 600] * 100
WORDS: list[JsonValue] = [f"{number:02}" for number in range(99)]
NUMBERS: list[JsonValue] = [7] * 9_999
MAP: dict[str, JsonValue] = {f"{number:x}": 1 for number in range(6_500)}
OBJECTS: list[JsonValue] = [{"a": 1}] * 7_000
CASES: tuple[tuple[str, dict[str, JsonValue]], ...] = (
    ("decision.parameters.n < 5", {"n": 3}),
    ("decision.parameters.s.contains('b')", {"s": TEXT}),
    ("decision.parameters.s.contains(decision.parameters.r)", {"s": HALF, "r": "a" * 16_000 + "b"}),
    ("decision.parameters.s.startsWith(decision.parameters.r)", {"s": HALF, "r": HALF}),
    ("decision.parameters.s == decision.parameters.r", {"s": HALF, "r": HALF}),
    ("decision.parameters.s.size() > 3", {"s": "é" * (FULL // 2)}),
    ("decision.parameters.s.matches('^[a-z]+$')", {"s": TEXT}),
    ("decision.parameters.s.matches('(a|b|c)*d.*e')", {"s": TEXT}),
    ("decision.parameters.s.matches('(a?){20}b')", {"s": TEXT}),
    ("decision.parameters.s.matches('a{1000}b') || true", {"s": TEXT}),
    ("decision.parameters.s.matches('(a?){200}b') || true", {"s": TEXT}),
    ("decision.parameters.s.matches('(a?){1000}b') || true", {"s": TEXT}),
    ("decision.parameters.s.matches('(((a{1,30}){1,30}))c') || true", {"s": TEXT}),
    (
        "decision.parameters.l.all(x, !decision.parameters.s.contains(x))",
        {"l": ["a" * 50 + "b"] * 500, "s": "a" * 37_000},
    ),
    ("decision.parameters.s + decision.parameters.s + decision.parameters.s != ''", {"s": TEXT}),
    ("bytes(decision.parameters.s).size() > 3", {"s": TEXT}),
    ("decision.parameters.l.all(x, true)", {"l": TINY}),
    ("decision.parameters.l.all(x, x != 'b')", {"l": TINY}),
    ("decision.parameters.l.exists_one(x, x == 'b')", {"l": TINY}),
    ("decision.parameters.l.all(x, x != decision.parameters.s)", {"l": ["a" * 3] * 5_000, "s": HALF}),
    ("decision.parameters.l.all(x, x.matches('^[a-z]+$'))", {"l": TINY}),
    ("decision.parameters.l.all(x, x.matches('^[a-z]+$'))", {"l": LONG}),
    ("decision.parameters.l.all(x, x.size() > 0 && x.contains('a'))", {"l": TINY}),
    ("decision.parameters.l.all(x, decision.parameters.l.size() > 0)", {"l": TINY}),
    ("decision.parameters.l.all(x, x in decision.parameters.l)", {"l": [f"{n:x}" for n in range(9_000)][:6_000]}),
    ("decision.parameters.k.all(x, decision.parameters.k.all(y, x != y || true))", {"k": WORDS}),
    ("decision.parameters.k.all(x, !decision.parameters.s.contains(x + 'b'))", {"k": WORDS, "s": "a" * 63_000}),
    ("decision.parameters.k.all(x, !decision.parameters.s.matches('b$'))", {"k": WORDS, "s": "a" * 63_000}),
    ("decision.parameters.k.all(x, decision.parameters.s + x != '')", {"k": WORDS, "s": "a" * 63_000}),
    ("decision.parameters.l.map(x, x).size() > 3", {"l": TINY}),
    ("decision.parameters.l.filter(x, x == 'a').size() > 3", {"l": TINY}),
    ("decision.parameters.ns.map(x, x + 1).size() > 3", {"ns": NUMBERS}),
    ("decision.parameters.l.map(x, decision.parameters.s + x).size() > 3", {"l": ["a"] * 1_000, "s": "a" * 60_000}),
    ("decision.parameters.k.map(x, decision.parameters.k.map(y, x + y)).size() > 3", {"k": WORDS}),
    (
        "decision.parameters.k.map(x, decision.parameters.l + decision.parameters.l).size() > 3",
        {"k": WORDS, "l": ["a"] * 15_000},
    ),
    ("decision.parameters.k.map(x, decision.parameters.l).size() > 3", {"k": WORDS, "l": ["a"] * 15_000}),
    ("decision.parameters.m.all(k, decision.parameters.m[k] >= 0)", {"m": MAP}),
    ("decision.parameters.m == decision.parameters.m", {"m": MAP}),
    ("decision.parameters.l == decision.parameters.l", {"l": ["a"] * 16_000}),
    ("decision.parameters.ns == decision.parameters.ns", {"ns": [7] * 32_000}),
    ("decision.parameters.o == decision.parameters.o", {"o": OBJECTS}),
    ("decision.parameters.o.all(x, x in decision.parameters.o)", {"o": [{"a": number} for number in range(2_000)]}),
    ("decision.parameters.o.all(x, x.a + 1 > 0)", {"o": OBJECTS}),
    (
        "decision.parameters.k.all(x, decision.parameters.ns == decision.parameters.ns)",
        {"k": WORDS, "ns": [7] * 32_000},
    ),
    ("decision.parameters.l.all(x, timestamp('2026-01-01T00:00:00Z') < now)", {"l": TINY}),
    ("decision.parameters.ns.all(x, timestamp(x).getHours() >= 0)", {"ns": NUMBERS}),
    ("decision.parameters.ns.all(x, now + duration('1h') > now)", {"ns": NUMBERS}),
    ("decision.parameters.ns.all(x, string(x) != 'a')", {"ns": NUMBERS}),
    ("decision.parameters.ns.all(x, int(string(double(x))) >= 0)", {"ns": NUMBERS}),
    ("dyn(decision.parameters.u).all(x, x.a > 0)", {"u": OBJECTS}),
    ("dyn(decision.parameters.u) == dyn(decision.parameters.u)", {"u": [[]] * 21_000}),
    ("decision.parameters.l.all(x, [x, x, x].exists(y, y == x))", {"l": ["a"] * 2_400}),
    ("decision.parameters.l.all(x, {'a': x, 'b': x}.a == x)", {"l": TINY}),
)
ROUNDS = 3
GOALS = (Goal("estimates_below_measured", "below", 1), Goal("rules", "at least", 25))


def run() -> Result:
    """Measure every case, and compare it with its estimate."""
    types, variables = rule_types(Covered("bench", SCHEMA))
    checking = checking_env(types, variables, {"now": cel.Type.TIMESTAMP})
    running = runtime_env({"decision": cel.Type.Map(cel.Type.STRING, cel.Type.DYN), "now": cel.Type.TIMESTAMP})
    figures: Figures = {"rules": len(CASES)}
    notes: list[str] = []
    below = 0
    figures["record_to_values_ms"] = round(_conversion_ns(running) / 1e6, 1)
    for expression, parameters in CASES:
        reading = Reading(types)
        tree = syntax.parse(checking.compile(ForChecking(expression).text))
        reading.read(tree, {name: size_of(ref, frozenset(), name) for name, ref in variables.items()})
        took_ns = _measure(running, expression, parameters)
        below += reading.cost_ns < took_ns
        figures[expression.replace("decision.parameters.", "")] = round(reading.cost_ns / took_ns, 2)
        notes.append(f"{reading.cost_ns / 1e6:10.3f} ms estimated, {took_ns / 1e6:9.3f} ms measured: {expression}")
    figures["estimates_below_measured"] = below
    return Result(NAME, figures, GOALS, ("a figure of a rule: estimate by measurement, CPU time, best of 3", *notes))


def _conversion_ns(env: cel.Env) -> float:
    """Return what it takes to turn the record of most values into the engine's, which is no rule's own."""
    program, best = env.compile("has(decision.parameters)"), float("inf")
    for _ in range(ROUNDS):
        facts = env.Activation({"decision": {"parameters": {"u": [{} for _ in range(21_000)]}}, "now": NOW})
        started = time.process_time_ns()
        program.eval(facts)
        best = min(best, time.process_time_ns() - started)
    return best


def _measure(env: cel.Env, expression: str, parameters: dict[str, JsonValue]) -> float:
    program = env.compile(expression)
    first = env.compile("has(decision.parameters)")
    best = float("inf")
    for _ in range(ROUNDS):
        facts = env.Activation({"decision": {"parameters": parameters}, "now": NOW})
        first.eval(facts)  # turns the whole record into the engine's values, once for all rules
        started = time.process_time_ns()
        result = program.eval(facts)
        best = min(best, time.process_time_ns() - started)
        assert result.type() == cel.Type.BOOL, f"{expression}: {result.value()}"
    return max(best, 1.0)
