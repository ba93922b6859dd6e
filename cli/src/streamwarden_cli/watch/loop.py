"""A governed loop that runs in a Kubernetes cluster, looked at from outside: it changes nothing of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from streamwarden_contract.models import AgentDeployment, Policy, TopicContract
from streamwarden_contract.names import InstallationNames
from streamwarden_kafka.admin import KafkaAdmin
from streamwarden_kafka.connection import CLIENT_PROPERTIES_FILE, Connection
from streamwarden_operator.adapters.kafka.offsets import KafkaOffsets
from streamwarden_operator.adapters.kafka.scram import KafkaScramUsers
from streamwarden_operator.desired.credentials import agent_secret_name, gate_secret_name
from streamwarden_operator.desired.status import find_condition, is_true
from streamwarden_operator.errors import KafkaUnavailableError, KubernetesUnavailableError

from streamwarden_cli.local.externals import Externals, external_users
from streamwarden_cli.local.state import StateError
from streamwarden_cli.session.recorder import Recorder
from streamwarden_cli.session.roles import TopicRoles, find_roles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamwarden_operator.adapters.kubernetes.cluster import KubernetesCluster

    from streamwarden_cli.local.running import Role
    from streamwarden_cli.local.state import StateFolder
    from streamwarden_cli.session.screen import Screen
    from streamwarden_cli.watch.options import WatchOptions

_LOOK_S = 0.5


class ClusterLoop:
    """Implements the session's ``RunningLoop``."""

    def __init__(self, options: WatchOptions, state: StateFolder, screen: Screen, cluster: KubernetesCluster) -> None:
        self._options = options
        self._screen = screen
        self._cluster = cluster
        self._admin = KafkaAdmin(options.kafka)
        self.offsets = KafkaOffsets(self._admin)
        self.recorder = Recorder(options.kafka, InstallationNames(options.installation), state.decisions)
        self.roles = TopicRoles()
        self._users = KafkaScramUsers(self._admin)
        self._externals = Externals(state, self._users, options.kafka)
        self._following: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()
        self._told: dict[str, str] = {}

    async def start(self) -> None:
        """Look for the first time, and go on looking.

        Raises:
            OperatorError: the API server or Kafka does not answer.
        """
        self.recorder.start()
        await self._look()
        self._following = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Let go of everything."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self._cluster.close()
        await asyncio.to_thread(self.recorder.stop)
        await self.offsets.close()
        await self._users.close()

    async def agents_ready(self) -> None:
        """Wait until every AgentDeployment is Ready; one without pods, because it has nothing to do, is."""
        while not self._all_ready():
            self._looked.clear()
            await self._looked.wait()

    def agents(self) -> Sequence[AgentDeployment]:
        """Return the agents as last seen."""
        return self._cluster.list(AgentDeployment)

    def contracts(self) -> Sequence[TopicContract]:
        """Return the contracts as last seen."""
        return self._cluster.list(TopicContract)

    def policy_revisions(self) -> Mapping[str, int]:
        """Return the published revision of every policy, by ``namespace/name``."""
        return {_label(policy): policy.status.revision for policy in self._cluster.list(Policy)}

    async def pod_connection(self, namespace: str, agent: str, role: Role) -> Connection:
        """Return the connection of an agent or its gate, from its Secret.

        Raises:
            StateError: there is none.
        """
        name = agent_secret_name(agent) if role == "agent" else gate_secret_name(agent)
        secret = await self._cluster.read_secret(namespace, name)
        if secret is None or CLIENT_PROPERTIES_FILE not in secret:
            raise StateError(f"{namespace}/{agent} has no Secret {name!r} (yet)")
        return Connection.parse(secret[CLIENT_PROPERTIES_FILE])

    def _all_ready(self) -> bool:
        agents = self.agents()
        return bool(agents) and all(
            is_true(agent.status.conditions, "Ready") and agent.status.observed_generation == agent.metadata.generation
            for agent in agents
        )

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            # What was seen last stands until the API server answers again.
            try:
                await self._look()
            except KubernetesUnavailableError:
                continue
            except KafkaUnavailableError as error:
                self._say("users that contracts name in access", f"not all made yet: {error}; it is tried again")

    async def _look(self) -> None:
        await self._cluster.resync()
        contracts = self.contracts()
        roles = find_roles(self.agents(), contracts)
        if roles != self.roles:
            self.roles = roles
            self.recorder.watch(roles)
        if self._options.make_users:
            await self._externals.apply(external_users(contracts))
        self._tell()
        self._looked.set()

    def _tell(self) -> None:
        """Say what has changed: where agents stand, how many pods they have, which policies are in force."""
        for agent in self.agents():
            ready = find_condition(agent.status.conditions, "Ready")
            if ready is not None:
                why = "" if ready.status == "True" else f": {ready.message}"
                self._say(f"AgentDeployment {_label(agent)}", f"Ready={ready.status} {ready.reason}{why}")
            if (change := agent.status.last_scaling) is not None and change.reason:
                said = f"{change.replicas} wanted: {change.reason}: {change.message}"
                self._say(f"pods of {_label(agent)}", said)
        for policy in self._cluster.list(Policy):
            rollout = policy.status.rollout
            if rollout.converged_after and rollout.gates == rollout.updated:
                said = f"revision {policy.status.revision} is in force in every gate, {rollout.converged_after} after "
                self._say(f"policy {_label(policy)}", f"{said}it was published")

    def _say(self, subject: str, text: str) -> None:
        if self._told.get(subject) != text:
            self._told[subject] = text
            self._screen.say(f"{subject}: {text}")


def _label(resource: AgentDeployment | Policy) -> str:
    return f"{resource.metadata.namespace}/{resource.metadata.name}"
