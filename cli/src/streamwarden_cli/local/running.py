"""A running ``dev``, seen from another command of the same person: its resources and credentials, read from files.

Credentials are read without the resources' models, whose import takes longer than all the rest: producers ask for them
while the agents wait for their first event.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from streamwarden_kafka.connection import CLIENT_PROPERTIES_FILE, Connection
from streamwarden_kafka.errors import ConnectionSettingsError

from streamwarden_cli.local.state import StateError, StateFolder, find_project

if TYPE_CHECKING:
    from pathlib import Path

    from streamwarden_contract.models import AgentDeployment, TopicContract

Role = Literal["agent", "gate"]


class RunningDev:
    """What a running ``dev`` has below its state folder."""

    def __init__(self, state: StateFolder) -> None:
        self.state = state

    @classmethod
    def find(cls, start: Path) -> RunningDev:
        """Find it from a folder upwards.

        Raises:
            StateError: there is none, or it does not run now.
        """
        state = StateFolder(find_project(start.absolute()))
        if state.holder() is None:
            raise StateError(f"no streamwarden dev runs in {state.project}: start 'streamwarden dev {state.project}'")
        return cls(state)

    def agents(self) -> list[AgentDeployment]:
        """Return the agents as last written."""
        from streamwarden_contract.models import AgentDeployment

        return [AgentDeployment.model_validate(value) for value in self._resources("AgentDeployment")]

    def contracts(self) -> list[TopicContract]:
        """Return the topic contracts as last written."""
        from streamwarden_contract.models import TopicContract

        return [TopicContract.model_validate(value) for value in self._resources("TopicContract")]

    def pod_connection(self, namespace: str, agent: str, role: Role) -> Connection:
        """Return the connection of an agent or its gate.

        Raises:
            StateError: there is no such agent, or it has no credentials yet.
        """
        names = self.state.pod_secrets(namespace, agent)
        if not names.is_file():
            known = ", ".join(f"{a.metadata.namespace}/{a.metadata.name}" for a in self.agents()) or "none"
            raise StateError(f"{namespace}/{agent} has no credentials (yet); agents here: {known}")
        secret = json.loads(names.read_text("utf-8"))[role]
        return self._connection(self.state.secrets / namespace / secret / CLIENT_PROPERTIES_FILE)

    def operator_connection(self) -> Connection:
        """Return the connection of the operator, who may read every topic.

        Raises:
            StateError: Kafka is not up yet.
        """
        return self._connection(self.state.operator)

    def external_connection(self, user: str) -> Connection:
        """Return the connection of a principal outside Streamwarden.

        Raises:
            StateError: no contract names it in ``access``, or its user is not made yet.
        """
        folder = self.state.external
        if not (folder / user / CLIENT_PROPERTIES_FILE).is_file():
            known = ", ".join(sorted(path.name for path in folder.glob("*"))) if folder.is_dir() else ""
            raise StateError(f"no credentials for {user!r} (yet); principals that contracts name: {known or 'none'}")
        return self._connection(folder / user / CLIENT_PROPERTIES_FILE)

    def _connection(self, file: Path) -> Connection:
        try:
            return Connection.read(file)
        except ConnectionSettingsError as error:
            raise StateError(str(error)) from error

    def _resources(self, kind: str) -> list[dict[str, object]]:
        values = [json.loads(path.read_text("utf-8")) for path in sorted(self.state.resources.glob(f"{kind}.*.json"))]
        return [{key: value for key, value in found.items() if key != "kind"} for found in values]
