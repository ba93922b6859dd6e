"""Which fields a rule reads that a decision may leave out, and nothing in the rule asks for first.

Reading what is not there is an error, which denies. ``&&`` and ``||`` take no error from one side where the other side
alone decides, whichever comes first, so ``has(x)`` guards all that is read of ``x`` beside it. What the schema demands
under some condition only is not told: the rule may ask for that condition in words of its own.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from streamwarden_judging.typed import syntax
from streamwarden_judging.typed.quoting import written_name
from streamwarden_judging.typed.types import ListType, MapType, ObjectRef, Types, ValueType

_ANYTHING = "*"
"""In place of a path: all that is read here was asked for, in words that are not followed."""
_Guards = frozenset[str]


class _Place(NamedTuple):
    """What a part of a rule is, if it is a part of the data."""

    path: str = ""
    type: ValueType | None = None


_NOWHERE = _Place()
_Places = Mapping[str, _Place]


def unguarded(node: syntax.Node, variables: Mapping[str, ObjectRef], types: Types) -> tuple[str, ...]:
    """Return the paths of fields that a rule reads though they may be absent, in the order of the text.

    Args:
        node: the rule.
        variables: those that are objects.
        types: of all objects; ``optional`` says what may be absent.
    """
    reads = _Reads(types)
    reads.read(node, {name: _Place(name, ref) for name, ref in variables.items()}, frozenset())
    return tuple(sorted(reads.found, key=lambda path: reads.found[path]))


@dataclass(slots=True)
class _Reads:
    types: Types
    found: dict[str, int] = field(default_factory=dict)
    """By path: where it is read first."""

    def read(self, node: syntax.Node, places: _Places, guards: _Guards) -> None:
        """Note what is read, where ``guards`` are known to be there."""
        match node:
            case syntax.Call(function="_&&_" | "_||_" as function):
                parts = list(_parts(node, function))
                # Once for each part, not for each pair of them: a rule of 4 KiB may have 700.
                held = [self._held(part, places, said=function == "_&&_") or frozenset() for part in parts]
                times = Counter(path for each in held for path in each)
                for part, own in zip(parts, held, strict=True):
                    beside = {path for path, count in times.items() if count > (path in own)}
                    self.read(part, places, guards | beside)
            case syntax.Call(function="_?_:_", args=(condition, one, other)):
                self.read(condition, places, guards)
                self.read(one, places, guards | (self._held(condition, places, said=True) or frozenset()))
                self.read(other, places, guards | (self._held(condition, places, said=False) or frozenset()))
            case syntax.Loop():
                for part in (node.range, node.start, node.result):
                    self.read(part, places, guards)
                inner = self._inside(node, places)
                self.read(node.condition, inner, guards)
                self.read(node.step, inner, guards)
            case _:
                self._note(node, places, guards)
                for child in syntax.children(node):
                    self.read(child, places, guards)

    def _note(self, node: syntax.Node, places: _Places, guards: _Guards) -> None:
        if not isinstance(node, syntax.Select) or node.test or _ANYTHING in guards:
            return
        owner, path = self._place(node.operand, places), self._place(node, places).path
        optional = self.types.optional.get(owner.type.name, ()) if isinstance(owner.type, ObjectRef) else ()
        if written_name(node.field) in optional and path not in guards:
            self.found.setdefault(path, node.at)

    def _held(self, node: syntax.Node, places: _Places, *, said: bool) -> _Guards | None:
        """Return the paths that are there whenever a part of a rule says this; None where it never does."""
        match node:
            case syntax.Call(function="!_", args=(inner,)):
                return self._held(inner, places, said=not said)
            case syntax.Call(function="_&&_" | "_||_" as function):
                found = [self._held(part, places, said=said) for part in node.args]
                return _all_of(found) if (function == "_&&_") is said else _any_of(found)
            case syntax.Call(function="_?_:_", args=(condition, one, other)):
                ways = ((one, True), (other, False))
                return _any_of(
                    _all_of((self._held(condition, places, said=way), self._held(part, places, said=said)))
                    for part, way in ways
                )
            case _:
                return self._held_alone(node, places, said=said)

    def _held_alone(self, node: syntax.Node, places: _Places, *, said: bool) -> _Guards | None:
        match node:
            case syntax.Constant(value=bool() as value):
                return frozenset() if value is said else None
            case syntax.Select(test=True):
                return frozenset({self._place(node, places).path} if said else ())
            case syntax.Loop(start=syntax.Constant(value=bool() as start)) if start is said:
                return self._held(node.step, self._inside(node, places), said=said)  # of each item: all and not exists
            case _:
                return frozenset({_ANYTHING} if any(_is_kind(part) for part in syntax.walk(node)) else ())

    def _inside(self, node: syntax.Loop, places: _Places) -> _Places:
        span = self._place(node.range, places)
        item = _Place(f"{span.path}[]", span.type.items) if isinstance(span.type, ListType) else _NOWHERE
        return {**places, node.variable: item, node.result_variable: _NOWHERE}

    def _place(self, node: syntax.Node, places: _Places) -> _Place:
        match node:
            case syntax.Ident(name=name):
                return places.get(name, _NOWHERE)
            case syntax.Select():
                owner = self._place(node.operand, places)
                if isinstance(owner.type, ObjectRef):
                    name = written_name(node.field)
                    shown = name if name == node.field else f"`{name}`"
                    return _Place(f"{owner.path}.{shown}", self.types.fields(owner.type).get(name))
                return _NOWHERE
            case syntax.Call(function="_[_]", args=(span, _)):
                owner = self._place(span, places)
                if isinstance(owner.type, ListType | MapType):
                    kind = owner.type.items if isinstance(owner.type, ListType) else owner.type.values
                    return _Place(f"{owner.path}[]", kind)
                return _NOWHERE
            case _:
                return _NOWHERE


def _parts(node: syntax.Node, function: str) -> Iterable[syntax.Node]:
    if isinstance(node, syntax.Call) and node.function == function:
        for arg in node.args:
            yield from _parts(arg, function)
    else:
        yield node


def _all_of(found: Iterable[_Guards | None]) -> _Guards | None:
    """Return what several parts hold together; None where one of them cannot be."""
    known = list(found)
    return None if None in known else frozenset().union(*(each for each in known if each is not None))


def _any_of(found: Iterable[_Guards | None]) -> _Guards | None:
    """Return what holds whichever part it is; None where none can be."""
    known = [each for each in found if each is not None]
    return frozenset.intersection(*known) if known else None


def _is_kind(node: syntax.Node) -> bool:
    """Tell whether this is the decision's type: a rule may say by it for which decisions the rest is meant."""
    match node:
        case syntax.Select(operand=syntax.Ident(name="decision"), field="type"):
            return True
        case _:
            return False
