"""Break what judges, one place at a time: the tests must notice. ``make mutants``.

Each mutant is the package with one comparison, condition, constant or refusal changed. Those that no test kills are
listed: each is a missing test, or a place where it makes no difference. With ``--corpus`` only the conformance corpus
may kill, and of what makes verdicts it must kill nine in ten.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "judging" / "src" / "streamwarden_judging"
PRELOADED = (
    "jsonschema_rs",
    "cel_expr_python",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "yaml",
    "streamwarden_contract.models",
    "streamwarden_contract.policylog",
)
"""What a mutant's process need not load anew; nothing here may load the package."""
OPTIONS = ("-x", "-q", "-p", "no:xdist", "--noconftest", "-W", "ignore:Module already imported")
"""Without conftest.py: it would load every client of Kafka and Kubernetes for each mutant."""
LIMIT_S = 60
"""A mutant that takes longer runs for ever: it is killed too."""

EQUIVALENT = {
    ("rules.py", "if not expressions:", "the condition is always False"): (
        "no expressions are joined to an empty text, which does not compile: None all the same, and later"
    ),
}
"""Module, line and change of what makes no difference, with the reason: no test can kill it."""
_FUSED = "rules that are fused into one say what they say one by one, only sooner"
_KEPT = "the variables are made anew where they could have been kept"
_PARTS = """parts = [policy.all_rules for policy, spec in covering if spec.params is not None and spec.rules]"""
_WHOLE = "whole = not any(_is_broken(policy.rules) or decision_type in policy.not_applicable for policy, _ in covering)"
_NEXT = "return next((said for part in self.parts if (said := part.evaluate(facts)) is not True), True)"
_CHOICE = "return whole[0] if len(whole) == 1 else _All(tuple(whole)) if whole else None"
JUDGES_ALIKE = {
    ("rules.py", "if self._beside is None or self._data is not data:", "Is becomes IsNot"): _KEPT,
    ("rules.py", "if self._beside is None or self._data is not data:", "the condition is always True"): _KEPT,
    (
        "rules.py",
        "result = self._program.eval(known.plain if self._params is None else known.beside(self._params))",
        "the condition is always False",
    ): "a variable more, which the rule cannot name",
    ("rules.py", _NEXT, "nothing is returned"): _FUSED,
    ("rules.py", _WHOLE, "In becomes NotIn"): _FUSED,
    ("rules.py", _PARTS, "And becomes Or"): _FUSED,
    ("rules.py", "if plain:", "the condition is always True"): _FUSED,
    ("rules.py", "parts.insert(0, _conjunction(plain))", "0 becomes 1"): _FUSED,
    ("rules.py", "if len(whole) < len(parts):", "Lt becomes LtE"): _FUSED,
    ("rules.py", "if len(whole) < len(parts):", "the condition is always True"): _FUSED,
    ("rules.py", _CHOICE, "nothing is returned"): _FUSED,
    ("rules.py", _CHOICE, "the condition is always False"): _FUSED,
    ("verdicts.py", "at_revision: str = field(init=False, compare=False)", "False becomes True"): (
        "policies are compared where a set is built, and no record is judged by that"
    ),
    (
        "verdicts.py",
        "return tuple(policy for policy in policies.enforcing if policy.covers(decision_type)), None",
        "nothing is returned",
    ): "the set of a binding has fused the rules of each of its types, and no other type is judged",
    ("rules.py", "if not expressions:", "the condition is always True"): _FUSED,
    ("rules.py", "if not expressions:", "not is left out"): _FUSED,
    (
        "rules.py",
        r"""return compile_rule(" && ".join(f"({expression}\n)" for expression in expressions), params)""",
        "nothing is returned",
    ): _FUSED,
    (
        "verdicts.py",
        "covering, conjunction = policies.fused.get(decision_type) or _covering(policies, decision_type)",
        "Or becomes And",
    ): _FUSED,
    (
        "verdicts.py",
        "if conjunction is None or conjunction.evaluate(facts) is not True:",
        "the condition is always True",
    ): _FUSED,
    (
        "verdicts.py",
        "if policy.all_rules is not None and policy.all_rules.evaluate(facts) is True:",
        "the condition is always False",
    ): _FUSED,
}
"""The same of what every record is judged alike with: it counts for nothing where records alone may kill."""


@dataclass(frozen=True, slots=True)
class Killers:
    """The tests that may kill, and what they must."""

    tests: Path
    demanded: frozenset[str] = frozenset()
    """Modules of which they must kill at least ``LEAST``."""
    blind: Collection[tuple[str, str, str]] = frozenset(EQUIVALENT)
    """What they cannot notice, and is not tried."""


UNIT_TESTS = Killers(ROOT / "tests" / "unit" / "judging")
CORPUS = Killers(
    ROOT / "tests" / "conformance",
    frozenset({"rules.py", "verdicts.py"}),
    blind=frozenset({*EQUIVALENT, *JUDGES_ALIKE}),
)
LEAST = 0.9
"""Of the mutants of each demanded module."""

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one change."""

    module: str
    line: int
    change: str
    source: str
    place: str
    """The line as it is in the module."""

    @property
    def name(self) -> tuple[str, str, str]:
        """What tells it from others, wherever in the module it stands."""
        return self.module, self.place, self.change


class _Changes(ast.NodeTransformer):
    """Makes the change number ``wanted``; counts those that it passes."""

    def __init__(self, wanted: int) -> None:
        self._left = wanted
        self.line, self.change = 0, ""

    def _is_it(self, node: ast.AST, change: str) -> bool:
        self._left -= 1
        if self._left == -1:
            self.line, self.change = getattr(node, "lineno", 0), change
        return self._left == -1

    @override
    def generic_visit(self, node: ast.AST) -> ast.AST:
        if self._left < 0:
            return node
        for name, value in ast.iter_fields(node):
            # What types and decorators say is no decision.
            if name not in {"annotation", "returns", "decorator_list"}:
                self._visit_field(node, name, value)
        return node

    def _visit_field(self, node: ast.AST, name: str, value: object) -> None:
        if isinstance(value, ast.AST):
            setattr(node, name, self.visit(value))
        elif isinstance(value, list):
            value[:] = [self.visit(one) if isinstance(one, ast.AST) else one for one in value]

    @override
    def visit_Compare(self, node: ast.Compare) -> ast.AST:  # as ast names it
        for place, operator in enumerate(node.ops):
            other = _COMPARISONS[type(operator)]
            if self._is_it(node, f"{type(operator).__name__} becomes {other.__name__}"):
                node.ops[place] = other()
                return node
        return self.generic_visit(node)

    @override
    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        other: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        if self._is_it(node, f"{type(node.op).__name__} becomes {type(other).__name__}"):
            node.op = other
            return node
        return self.generic_visit(node)

    @override
    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.Not) and self._is_it(node, "not is left out"):
            return node.operand
        return self.generic_visit(node)

    @override
    def visit_If(self, node: ast.If) -> ast.AST:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node
        return self._condition(node)

    @override
    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        return self._condition(node)

    def _condition(self, node: ast.If | ast.IfExp) -> ast.AST:
        for value in (True, False):
            if self._is_it(node, f"the condition is always {value}"):
                node.test = ast.copy_location(ast.Constant(value), node.test)
                return node
        return self.generic_visit(node)

    @override
    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, bool):
            other: bool | int = not node.value
        elif isinstance(node.value, int):
            other = node.value + 1
        else:
            return node  # texts are read by people, and floats do not occur
        if self._is_it(node, f"{node.value} becomes {other}"):
            return ast.copy_location(ast.Constant(other), node)
        return node

    @override
    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if self._is_it(node, "nothing is raised"):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    @override
    def visit_Return(self, node: ast.Return) -> ast.AST:
        is_none = node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None)
        if not is_none and self._is_it(node, "nothing is returned"):
            return ast.copy_location(ast.Return(None), node)
        return self.generic_visit(node)


def mutants_of(module: str, source: str) -> Iterator[Mutant]:
    """Give every mutant of a module."""
    tree, lines = ast.parse(source), source.splitlines()
    number = 0
    while True:
        changes = _Changes(number)
        changed = changes.visit(copy.deepcopy(tree))
        if not changes.change:
            return
        text, place = ast.unparse(ast.fix_missing_locations(changed)), lines[changes.line - 1].strip()
        yield Mutant(module, changes.line, changes.change, text, place)
        number += 1


def _judge(mutant: Mutant | None, folder: Path, tests: Path) -> None:
    """Be the process that tests a mutant, or the package as it is: exit code 0 where every test passes."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    if mutant is not None:
        package = Path(shutil.copytree(PACKAGE, folder / PACKAGE.name))
        (package / mutant.module).write_text(mutant.source)
        sys.path.insert(0, str(folder))
    settings.register_profile("mutants", derandomize=True, database=None, deadline=None, max_examples=50)
    settings.load_profile("mutants")  # the same examples each time: the same mutants survive
    os._exit(pytest.main([*OPTIONS, f"--rootdir={ROOT}", str(tests)]))


class Trial:
    """A mutant's process."""

    def __init__(self, mutant: Mutant | None, folder: Path, tests: Path) -> None:
        self.mutant, self._deadline_s = mutant, time.monotonic() + LIMIT_S
        folder.mkdir(parents=True)
        self._process = multiprocessing.get_context("fork").Process(target=_judge, args=(mutant, folder, tests))
        self._process.start()

    def over(self) -> bool:
        if self._process.is_alive() and time.monotonic() > self._deadline_s:
            self._process.kill()  # it runs for ever
            self._process.join()
        return not self._process.is_alive()

    @property
    def survived(self) -> bool:
        self._process.join()
        return self._process.exitcode == 0


def trials(mutants: Sequence[Mutant | None], folder: Path, tests: Path, at_once: int) -> Iterator[Trial]:
    """Try each mutant by these tests, so many at once; gives them as they end."""
    waiting, running = list(enumerate(mutants)), list[Trial]()
    while waiting or running:
        while waiting and len(running) < at_once:
            number, mutant = waiting.pop(0)
            running.append(Trial(mutant, folder / str(number), tests))
        for trial in [one for one in running if one.over()]:
            running.remove(trial)
            yield trial
        time.sleep(0.02)


def report(mutants: Sequence[Mutant], survivors: Sequence[Mutant]) -> list[str]:
    """List those that live, and of each module how many do not."""
    lived = [f"{PACKAGE.name}/{one.module}:{one.line}: {one.change}" for one in survivors]
    made, alive = (Counter(one.module for one in some) for some in (mutants, survivors))
    modules = [f"{PACKAGE.name}/{module}: {made[module] - alive[module]} of {made[module]} killed" for module in made]
    return [*sorted(lived), *sorted(modules), f"{len(mutants) - len(survivors)} of {len(mutants)} mutants killed"]


def too_few(mutants: Sequence[Mutant], survivors: Sequence[Mutant], demanded: frozenset[str]) -> list[str]:
    """Return the demanded modules of which less than ``LEAST`` was killed."""
    made, alive = (Counter(one.module for one in some) for some in (mutants, survivors))
    return sorted(module for module in demanded if made[module] - alive[module] < LEAST * made[module])


def main(killers: Killers) -> int:
    for name in PRELOADED:
        importlib.import_module(name)
    found = (mutant for path in sorted(PACKAGE.glob("*.py")) for mutant in mutants_of(path.name, path.read_text()))
    mutants = [mutant for mutant in found if mutant.name not in killers.blind]
    with tempfile.TemporaryDirectory() as folder:
        (unchanged,) = trials([None], Path(folder, "unchanged"), killers.tests, 1)
        if not unchanged.survived:
            sys.stderr.write(f"the tests in {killers.tests.relative_to(ROOT)} fail as it is\n")
            return 1
        done = list(trials(mutants, Path(folder, "mutants"), killers.tests, os.cpu_count() or 1))
    survivors = [trial.mutant for trial in done if trial.survived and trial.mutant is not None]
    sys.stdout.write("\n".join([*report(mutants, survivors), ""]))
    missed = too_few(mutants, survivors, killers.demanded)
    if missed:
        sys.stderr.write(f"less than {LEAST:.0%} killed of {', '.join(missed)}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Break what judges, one place at a time.")
    parser.add_argument("--corpus", action="store_true", help="only the conformance corpus may kill")
    sys.exit(main(CORPUS if parser.parse_args().corpus else UNIT_TESTS))
