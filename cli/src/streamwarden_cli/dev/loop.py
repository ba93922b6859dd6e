"""The running loop: stack, controller, pods, recorder. Started once, stopped in order."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_contract.names import InstallationNames
from streamwarden_contract.reasons import ConditionReason
from streamwarden_devstack.stack import KafkaOptions, Reporter, Stack, StackError
from streamwarden_kafka.private_files import write_private
from streamwarden_operator.adapters.signing import HeldKeys, PublisherKeys, SigningKey
from streamwarden_operator.backends import connect
from streamwarden_operator.desired.status import find_condition, is_true
from streamwarden_operator.settings import OperatorSettings
from streamwarden_operator.wiring.controller import Controller

from streamwarden_cli.dev.agents_code import AgentsCode
from streamwarden_cli.dev.repeats import LastLines
from streamwarden_cli.local.cluster import LocalCluster
from streamwarden_cli.local.externals import Externals, external_users
from streamwarden_cli.local.folder import admit_folder, changes, file_changes
from streamwarden_cli.local.late_registry import LateRegistry
from streamwarden_cli.local.running import RunningDev
from streamwarden_cli.local.skip_requests import with_requests
from streamwarden_cli.session.interrupts import told
from streamwarden_cli.session.recorder import Recorder
from streamwarden_cli.session.roles import TopicRoles, find_roles

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from streamwarden_contract.models.base import Condition, Kind
    from streamwarden_kafka.connection import Connection
    from streamwarden_operator.backends import Backends
    from streamwarden_operator.errors import CannotGoOnError
    from streamwarden_operator.keys import Key
    from streamwarden_operator.ports import Offsets

    from streamwarden_cli.dev.options import DevOptions
    from streamwarden_cli.local.manifests import Problem
    from streamwarden_cli.local.running import Role
    from streamwarden_cli.local.state import StateFolder
    from streamwarden_cli.local.store import Applied
    from streamwarden_cli.session.screen import Screen

_NEWS_AFTER_S = 2.0
_SLOW_AFTER_S = 20.0
_BECOMING = frozenset(
    {
        ConditionReason.PENDING,
        ConditionReason.REF_NOT_READY,
        ConditionReason.WAITING_FOR_GATES,
        ConditionReason.GATE_NOT_READY,
        ConditionReason.REGISTRY_UNAVAILABLE,
        ConditionReason.AGENT_NOT_READY,
    }
)
"""Reasons of whatever is being made: news only once it takes long."""

_POLICY_WAIT_S = 10.0
"""A rollout later than this is told without the time since the edit: it was another edit's."""


class Loop:
    """A governed loop in one folder."""

    def __init__(self, options: DevOptions, state: StateFolder, screen: Screen, reporter: Reporter) -> None:
        self._options = options
        self._state = state
        self._screen = screen
        kafka = KafkaOptions(operator=InstallationNames(options.installation).operator_principal)
        self.stack = Stack(state.stack, kafka=kafka, registry=options.registry, reporter=reporter)
        self.cluster = LocalCluster(state, options.pods)
        self.roles = TopicRoles()
        self._registry = LateRegistry()
        self._tasks: list[asyncio.Task[None]] = []
        self._restarts: set[asyncio.Task[None]] = set()
        self._code = AgentsCode(options.folder)
        self._stop_watching = asyncio.Event()
        self._manifests: tuple[Kind, ...] = ()
        """As last applied, without what people have asked for since."""
        self._warned: set[str] = set()
        """Of the manifests as last applied."""
        self._edited: dict[tuple[str, str], float] = {}
        """When an edit of a policy was seen (monotonic), until it is in force."""
        self._refused = False
        """Whether the manifests were bad when they were read last."""
        self._last_lines = LastLines()
        self._closing = False
        self._told: dict[Key, tuple[str, str]] = {}
        self._changed = asyncio.Event()
        self._controller: Controller | None = None
        self._externals: Externals | None = None
        self._recorder: Recorder | None = None
        self._backends: Backends | None = None

    @property
    def recorder(self) -> Recorder:
        assert self._recorder is not None  # noqa: S101  # started
        return self._recorder

    @property
    def offsets(self) -> Offsets:
        assert self._backends is not None  # noqa: S101  # started
        return self._backends.offsets

    async def start(self, resources: Sequence[Kind]) -> None:
        """Start everything; returns once the resources are being worked on.

        Raises:
            StackError: Kafka did not come up.
            OperatorError: it does not answer.
        """
        await self.stack.start()
        names = InstallationNames(self._options.installation)
        settings = OperatorSettings(installation=names.installation, first_retry=timedelta(milliseconds=200))
        kafka = self.stack.operator
        write_private(self._state.operator, kafka.render())
        registry = self._registry if self._options.registry else None
        # No lag, no scaling: each agent has one process here.
        backends = self._backends = replace(connect(kafka, None, settings), registry=registry, lags=None)
        self._controller = Controller(
            self.cluster,
            settings,
            backends=backends,
            bootstrap_servers=self.stack.bootstrap_servers,
            keys=PublisherKeys(HeldKeys(SigningKey.create())),
        )
        self._controller.on_rollout = self._rolled_out
        self.cluster.on_changed = self._controller.changed
        self.cluster.on_status = self._status_written
        self.cluster.on_event = self._event
        self._externals = Externals(self._state, backends.users, kafka)
        self._recorder = Recorder(kafka, names, self._state.decisions)
        self._recorder.start()
        await self._controller.start()
        await self._apply(resources)
        self._controller.caches_complete()
        self._tasks.append(asyncio.create_task(self._watch()))
        self._tasks.append(asyncio.create_task(self._watch_requests()))
        if self._options.registry:
            self._tasks.append(asyncio.create_task(self._await_registry()))

    def warn(self, warnings: Iterable[Problem]) -> None:
        """Say what is accepted and hardly meant; again only where it is new."""
        now = {str(warning) for warning in warnings}
        for warning in sorted(now - self._warned):
            self._screen.say(f"warning: {warning}", problem=True)
        self._warned = now

    async def agents_ready(self) -> None:
        """Wait until every AgentDeployment is Ready."""
        while not self._all_ready():
            self._changed.clear()
            await self._changed.wait()

    async def lost(self) -> CannotGoOnError:
        """Wait until policies can be published no more, as when another operator has taken over, and return why."""
        assert self._controller is not None  # noqa: S101  # started
        await self._controller.lost.wait()
        assert self._controller.lost_by is not None  # noqa: S101  # set before ``lost``
        return self._controller.lost_by

    async def stop(self) -> None:
        """Stop everything in order: agents, gates, the controller, the recorder, the stack."""
        self._closing = True
        self._stop_watching.set()
        tasks = [*self._tasks, *self._restarts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._controller is not None:
            await told("what is being applied", self._controller.stop(), self._screen)
        await told("agents and gates", self.cluster.stop(), self._screen)
        if self._recorder is not None:
            await told("what counts", asyncio.to_thread(self._recorder.stop), self._screen)
        servers = "Kafka and the schema registry" if self._options.registry else "Kafka"
        await told(servers, self.stack.stop(), self._screen)

    def agents(self) -> Sequence[AgentDeployment]:
        """Return the agents as they stand."""
        return self.cluster.list(AgentDeployment)

    def contracts(self) -> Sequence[TopicContract]:
        """Return the contracts as they stand."""
        return self.cluster.list(TopicContract)

    async def pod_connection(self, namespace: str, agent: str, role: Role) -> Connection:
        """Return the client configuration of an agent or its gate."""
        return RunningDev(self._state).pod_connection(namespace, agent, role)

    def policy_revisions(self) -> dict[str, int]:
        """Return the published revision of every policy, by ``namespace/name``."""
        return {
            f"{policy.metadata.namespace}/{policy.metadata.name}": policy.status.revision
            for policy in self.cluster.list(Policy)
        }

    def _all_ready(self) -> bool:
        agents = self.cluster.list(AgentDeployment)
        return bool(agents) and all(
            is_true(agent.status.conditions, "Ready") and agent.status.observed_generation == agent.metadata.generation
            for agent in agents
        )

    async def _apply(self, resources: Sequence[Kind]) -> Applied:
        assert self._controller is not None  # noqa: S101  # started
        assert self._externals is not None  # noqa: S101  # started
        self._manifests = tuple(resources)
        applied = self.cluster.apply(with_requests(resources, self._state))
        for key in (*applied.changed, *applied.removed):
            self._controller.changed(key)
        contracts = self.cluster.list(TopicContract)
        self.roles = find_roles(self.cluster.list(AgentDeployment), contracts)
        self.recorder.watch(self.roles)
        await self._externals.settle(external_users(contracts), partial(self._screen.say, problem=True))
        return applied

    async def _watch(self) -> None:
        folder = self._options.folder
        self._code.note(self.agents())
        async for change in changes(folder, self._stop_watching):
            if change.manifests:
                await self._apply_folder(change.seen)
            if change.code:
                self._restart(change.code)

    async def _watch_requests(self) -> None:
        """Take over what people ask gates to pass over."""
        async for _ in file_changes(self._state.skips, self._stop_watching):
            for key in (await self._apply(self._manifests)).changed:
                self._screen.say(f"{key}: asked to skip decisions")

    async def _apply_folder(self, seen: float) -> None:
        """Apply what was saved at this moment (monotonic), where all of it is good."""
        admission = admit_folder(self._options.folder, self.cluster.resources())
        refused, self._refused = self._refused, bool(admission.problems)
        if admission.problems:
            for problem in admission.problems:
                self._screen.say(str(problem), problem=True)
            self._screen.say("nothing of this was applied: what ran before goes on", problem=True)
            return
        self.warn(admission.warnings)
        applied = await self._apply(admission.resources)
        for key in applied.changed:
            if key.kind == "Policy":
                self._edited[key.namespace, key.name] = seen
            self._screen.say(f"{key} changed")
        for key in applied.removed:
            self._screen.say(f"{key} removed")
        if refused and not (applied.changed or applied.removed):
            self._screen.say("the manifests are good again, and say what is applied already")

    def _restart(self, files: frozenset[Path]) -> None:
        """Start the agents again whose program these files are."""
        names = ", ".join(sorted(file.name for file in files))
        for agent in self._code.changed(self.agents(), files):
            key = self.cluster.key(agent)
            if (key.namespace, key.name) in self._options.pods.run_by_person:
                self._screen.say(f"{names} changed: {key} is yours to start again")
                continue
            self._screen.say(f"{names} changed: {key} is started again")
            task = asyncio.create_task(self.cluster.restart_agent(key.namespace, key.name))
            self._restarts.add(task)
            task.add_done_callback(self._restarts.discard)

    async def _await_registry(self) -> None:
        try:
            await self.stack.registry_ready()
        except StackError as error:
            self._registry.failed(str(error))
            self._screen.say(f"no schema registry: {error}", problem=True)
        else:
            self._registry.ready(self.stack.registry_url)
            self._screen.say(f"schema registry ready at {self.stack.registry_url}")
        # Where there is none, contracts with a schema shall say why.
        assert self._controller is not None  # noqa: S101  # started
        for contract in self.cluster.list(TopicContract):
            if contract.spec.value_schema is not None:
                self._controller.add(self.cluster.key(contract))

    def _rolled_out(self, namespace: str, policy: str, revision: int, gates: int, updated: int, ms: float) -> None:
        since_edit = ""
        if (seen := self._edited.pop((namespace, policy), None)) is not None:
            waited_s = time.monotonic() - seen
            if waited_s < _POLICY_WAIT_S:
                since_edit = f"{waited_s * 1000:.0f} ms after the file changed, "
        self._screen.say(
            f"policy {namespace}/{policy} revision {revision} is in force in {updated}/{gates} gates, "
            f"{since_edit}{ms:.0f} ms after it was published"
        )

    def _status_written(self, key: Key) -> None:
        self._changed.set()
        now = self._standing(key)
        if now == self._told.get(key):
            return
        if now is None or now[0] == "True":
            self._tell(key, now)
        else:
            # Much is not ready for a moment while it is being made: that is no news.
            delay_s = _SLOW_AFTER_S if now[1] in _BECOMING else _NEWS_AFTER_S
            asyncio.get_running_loop().call_later(delay_s, self._tell, key, now)

    def _standing(self, key: Key) -> tuple[str, str] | None:
        """Return status and reason of the Ready condition; why it is true is no news."""
        ready = self._ready(key)
        return None if ready is None else (ready.status, "" if ready.status == "True" else ready.reason)

    def _ready(self, key: Key) -> Condition | None:
        resource = self.cluster.find(key)
        return None if resource is None else find_condition(resource.status.conditions, "Ready")

    def _tell(self, key: Key, was: tuple[str, str] | None) -> None:
        """Say where a resource stands, if it still stands there and that has not been said."""
        ready = self._ready(key)
        if ready is None or was is None or self._standing(key) != was or self._told.get(key) == was or self._closing:
            return
        self._told[key] = was
        said = (
            "ready"
            if ready.status == "True"
            else f"not ready: {ready.reason}: {self._last_lines.shorten(str(key), ready.message)}"
        )
        self._screen.say(f"{key} is {said}")

    def _event(self, key: Key, reason: str, message: str, warning: bool) -> None:  # noqa: FBT001  # a callback's signature
        self._screen.say(f"{key}: {reason}: {self._last_lines.shorten(str(key), message)}", problem=warning)
