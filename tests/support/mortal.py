"""The whole controller over fakes, killed at one call of one port: its memory is gone, what it wrote stays."""

from __future__ import annotations

import inspect
import random
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from streamwarden_operator import ports
from streamwarden_operator.adapters.kubernetes.signing_key import KubernetesSigningKeys, read_keys, write_keys
from streamwarden_operator.adapters.signing import PublisherKeys
from streamwarden_operator.keys import key_of
from support.inventory_requests import FakeInventoryRequests
from support.key_fakes import FakeKeptSecrets
from support.operator_harness import WAIT_S, Harness, until
from typing_extensions import is_protocol, override

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from streamwarden_operator.keys import Key
    from streamwarden_operator.settings import OperatorSettings
    from streamwarden_operator.wiring.controller import Controller
    from support.fakes import FakeCluster

OPERATOR_NAMESPACE = "streamwarden"
PORTS = {
    "cluster": ports.Cluster,
    "topics": ports.Topics,
    "acls": ports.Acls,
    "users": ports.ScramUsers,
    "logins": ports.Logins,
    "offsets": ports.Offsets,
    "registry": ports.SchemaRegistry,
    "quotas": ports.ClientQuotas,
    "log": ports.PolicyLog,
    "acks": ports.GateAcks,
    "lags": ports.Lags,
    "key_store": ports.SigningKeys,
    "requests": ports.InventoryRequests,
}
"""By the harness's name of each."""
READS = frozenset(
    {
        "Acls.look_again",
        "Acls.observe",
        "ClientQuotas.observe",
        "Cluster.applied_formats",
        "Cluster.namespace_annotations",
        "Cluster.read_secret",
        "InventoryRequests.read",
        "Lags.read",
        "Logins.check",
        "Logins.offers",
        "Offsets.observe",
        "PolicyLog.look",
        "SchemaRegistry.find",
        "SchemaRegistry.observe",
        "ScramUsers.observe",
        "SigningKeys.rotation_asked",
        "Topics.observe",
    }
)
"""Calls that change nothing: an end before or after one is that after or before a write."""


class Moment(Enum):
    """When the process ends."""

    BEFORE = "before"
    AFTER = "after"


class KilledError(BaseException):
    """The process ends here: nothing catches it, and whatever is called afterwards raises it too."""


@dataclass
class Process:
    """One process after another: at which call each of them ends.

    The first one of a step ends at its first such call, the next one at its second, and so on: whoever follows does
    again what was not done, so that each call of the step is somebody's last.
    """

    call: str = ""
    """``Port.method``; empty: none."""
    moment: Moment = Moment.BEFORE
    nth: int = 1
    calls: list[str] = field(default_factory=list)
    """All that change something, in order, in this step."""
    dead: bool = False

    def next(self) -> Process:
        """Return the one that follows this one."""
        return Process(self.call, self.moment, self.nth + 1)

    def begin_step(self) -> None:
        """Count from one again."""
        self.nth, self.calls = 1, []

    def is_due(self, call: str) -> bool:
        """Tell whether this call, the last one that was counted, is the one."""
        return call == self.call and self.calls.count(call) == self.nth

    async def do(self, call: str, act: Callable[[], Awaitable[Any]]) -> Any:
        """Do it, or end before or after it."""
        if self.dead:
            raise KilledError(call)
        self.calls.append(call)
        due = self.is_due(call)
        if due and self.moment is Moment.BEFORE:
            self.dead = True
            raise KilledError(call)
        answer = await act()
        if due:
            self.dead = True
        if self.dead:
            raise KilledError(call)
        return answer


@dataclass
class Fated(Process):
    """One process after another, each of which ends at a call that is drawn by lot."""

    chance: random.Random = field(default_factory=random.Random)
    deadly: float = 0.1
    """The part of all calls that are somebody's last."""

    @override
    def next(self) -> Fated:
        return Fated(chance=self.chance, deadly=self.deadly)

    @override
    def is_due(self, call: str) -> bool:
        self.moment = self.chance.choice(tuple(Moment))
        return self.chance.random() < self.deadly


class Mortal:
    """One port of a process."""

    def __init__(self, process: Process, port: type, fake: object) -> None:
        object.__setattr__(self, "_parts", (process, port, fake))

    def __getattr__(self, name: str) -> Any:
        process, port, fake = object.__getattribute__(self, "_parts")
        found, call = getattr(fake, name), f"{port.__name__}.{name}"
        if call not in writing_calls():
            return found
        return lambda *given, **named: process.do(call, lambda: found(*given, **named))

    @override
    def __setattr__(self, name: str, value: object) -> None:
        setattr(object.__getattribute__(self, "_parts")[2], name, value)


@cache
def writing_calls() -> frozenset[str]:
    """Return ``Port.method`` of every call of every port but those that are known to change nothing."""
    return all_calls() - READS


def all_calls() -> frozenset[str]:
    """Return ``Port.method`` of every call of every port."""
    return frozenset(
        f"{port.__name__}.{name}"
        for port in all_ports()
        for name, method in vars(port).items()
        if inspect.iscoroutinefunction(method)
    )


def all_ports() -> set[type]:
    """Return all Protocols of the package."""
    kinds = (found for _, found in inspect.getmembers(ports, inspect.isclass))
    return {kind for kind in kinds if is_protocol(kind)}


class Followed(ABC):
    """Processes of a controller over one cluster, each of which may be killed and is followed by another one."""

    cluster: FakeCluster
    controller: Controller
    process: Process
    patience_s = WAIT_S

    def __init__(self, process: Process) -> None:
        self.process = process
        self.deaths = 0
        self.on_death: Callable[[], None] = _ignore
        """Called when a process has ended, before another one begins."""
        self.made: set[str] = set()
        """Every call of every process that changes something."""
        self._known: set[Key] = set()

    @abstractmethod
    def new_controller(self) -> Controller:
        """Make what a new process has, whose calls ``process`` may end."""

    async def start(self) -> None:
        """Start a process: it lists what there is."""
        self.controller = self.new_controller()
        self._known = self._existing()
        for key in sorted(self._known):
            self.controller.changed(key)
        await self.controller.start()
        self.controller.caches_complete()

    async def settle(self) -> None:
        """Wait until nothing is left to do; a process that has ended is followed by another one."""
        while True:
            await until(lambda: self.process.dead or self.controller.idle, self.patience_s)
            if self.process.dead:
                await self.restart()
            elif not self._watch():
                return

    async def restart(self) -> None:
        """Follow a process that has ended."""
        self.made.update(self.process.calls)
        await self.controller.stop()
        self.on_death()
        self.deaths, self.process = self.deaths + 1, self.process.next()
        await self.start()

    def _watch(self) -> bool:
        """Show the process what has gone while it ran: it hears of nothing that went before."""
        existing = self._existing()
        gone, self._known = self._known - existing, existing
        for key in gone:
            self.controller.changed(key)
        return bool(gone)

    def _existing(self) -> set[Key]:
        return set(map(key_of, self.cluster.resources.values()))


class MortalHarness(Followed, Harness):
    """All of it in memory."""

    def __init__(self, settings: OperatorSettings, process: Process) -> None:
        self.secrets = FakeKeptSecrets()
        Followed.__init__(self, process)
        Harness.__init__(self, settings)
        self.requests = FakeInventoryRequests()
        self.secrets.data = write_keys(self.keys.held)

    @override
    def new_controller(self) -> Controller:
        if self.secrets.data is not None:  # else it is being made
            self.keys = PublisherKeys(read_keys(self.secrets.data, OPERATOR_NAMESPACE))
            self.key_store = KubernetesSigningKeys(self.secrets.store, OPERATOR_NAMESPACE, self.keys)
        fakes = {name: getattr(self, name) for name in PORTS}
        for name, fake in fakes.items():
            setattr(self, name, fake if fake is None else Mortal(self.process, PORTS[name], fake))
        try:
            return Harness.new_controller(self)
        finally:
            for name, fake in fakes.items():
                setattr(self, name, fake)

    async def run(self, role: str, act: Callable[[Any], Awaitable[None]]) -> None:
        """Do what runs beside the queue as its own round does; whoever is killed in it is followed in it."""
        deaths = -1
        while deaths != self.deaths:
            deaths = self.deaths
            with suppress(KilledError):
                await act(cast("Any", self.controller)._loops[role].__self__)
            await self.settle()


def _ignore() -> None:
    """Where nobody looks."""
