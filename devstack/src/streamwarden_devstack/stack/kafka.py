"""The broker: its configuration, and the commands that format and run it.

One node in KRaft's combined mode. Two listeners, both authenticated: clients (and the broker's calls to itself) with
SCRAM-SHA-512, whose users live in the metadata log, and, on 127.0.0.1 only, the controller with PLAIN and one user in
the configuration, because it must be able to let somebody in before it can read that log.
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING

from streamwarden_kafka.connection import SCRAM_SHA_512, Connection
from streamwarden_kafka.private_files import write_private

from streamwarden_devstack.stack.java import JAVA
from streamwarden_devstack.stack.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OPERATOR = "streamwarden.operator"
BROKER = "streamwarden.broker"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required"
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
JVM = (
    # Java warns of what Kafka's own libraries do.
    "--sun-misc-unsafe-memory-access=allow",
    "--enable-native-access=ALL-UNNAMED",
    "-XX:+UseG1GC",
)
"""Of both commands: a start-up cache serves only JVMs with the options it was trained with."""
_BROKER_JVM = (
    "-Xms256m",
    "-Xmx512m",
    # A broker without memory answers nobody; one that has ended is started again.
    "-XX:+ExitOnOutOfMemoryError",
)


def new_cluster_id() -> str:
    """Make a cluster id as Kafka does: 22 characters of URL-safe base64, and none that looks like an option."""
    while (made := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return made


def _password() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a data folder belongs to: made with it, and kept with it."""

    client_port: int
    controller_port: int
    cluster_id: str = field(default_factory=new_cluster_id)
    operator_password: str = field(default_factory=_password, repr=False)
    broker_password: str = field(default_factory=_password, repr=False)
    address: str = LOOPBACK
    """Where clients are listened for."""

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect."""
        return f"{self.address}:{self.client_port}"

    def save(self, path: Path) -> None:
        """Keep it for a later start with the same data (0600)."""
        write_private(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Identity:
        """Read what :meth:`save` wrote."""
        return cls(**json.loads(path.read_text("utf-8")))


def build_server_properties(identity: Identity, data: Path) -> dict[str, str]:
    """Build the broker's configuration; every key that differs from Kafka's default is here for a reason."""
    login = f'username="{BROKER}" password="{identity.broker_password}"'
    client, controller = identity.bootstrap_servers, f"{LOOPBACK}:{identity.controller_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": controller,
        "listeners": f"CLIENT://{client},CONTROLLER://{controller}",
        "advertised.listeners": f"CLIENT://{client}",
        "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "sasl.mechanism.inter.broker.protocol": SCRAM_SHA_512,
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.client.sasl.enabled.mechanisms": SCRAM_SHA_512,
        "listener.name.client.scram-sha-512.sasl.jaas.config": f"{_SCRAM} {login};",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": (
            f'{_PLAIN} {login} user_{BROKER}="{identity.broker_password}";'
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"User:{OPERATOR};User:{BROKER}",
        "auto.create.topics.enable": "false",
        "log.dirs": str(data),
        **_ONE_BROKER,
        **_LAPTOP,
    }


_ONE_BROKER = {
    "default.replication.factor": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
}
_LAPTOP = {
    # The first group and the first transaction wait for these topics to be made: 50 partitions each by default.
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.num.partitions": "8",
    # Nobody else is about to join.
    "group.initial.rebalance.delay.ms": "0",
    # 128 MB of the heap by default.
    "log.cleaner.dedupe.buffer.size": "16777216",
    # A broker that comes back after a crash is let in once the session of the one before has ended.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}


def render_properties(properties: dict[str, str]) -> str:
    """Render a Java properties file; none of our values needs escaping but the backslash."""
    return "".join(f"{key}={value}\n" for key, value in properties.items()).replace("\\", "\\\\")


def operator_connection(identity: Identity) -> Connection:
    """The connection of the operator's principal, a super user."""
    return Connection.scram(identity.bootstrap_servers, OPERATOR, identity.operator_password)


@dataclass(frozen=True, slots=True)
class Files:
    """The broker's files below its folder."""

    folder: Path

    @property
    def data(self) -> Path:
        """Topics and the metadata log."""
        return self.folder / "data"

    @property
    def identity(self) -> Path:
        """Ports, cluster id and passwords of the data (0600)."""
        return self.folder / "identity.json"

    @property
    def log(self) -> Path:
        """What the broker prints."""
        return self.folder / "kafka.log"

    @property
    def format_log(self) -> Path:
        """What the formatting prints."""
        return self.folder / "format.log"

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _users(self) -> Path:
        return self.folder / "format.args"

    def write(self, identity: Identity) -> None:
        """Write everything both commands read. Passwords go through files: arguments are for all to see."""
        identity.save(self.identity)
        write_private(self._properties, render_properties(build_server_properties(identity, self.data)))
        logging = files(__package__).joinpath("log4j2.properties").read_text("utf-8")
        write_private(self.folder / "log4j2.properties", logging)
        users = ((OPERATOR, identity.operator_password), (BROKER, identity.broker_password))
        lines = [f"--add-scram\n{SCRAM_SHA_512}=[name={name},password={password}]\n" for name, password in users]
        write_private(self._users, "".join(lines))

    def format_command(self, jars: Sequence[Path], cluster_id: str, options: Sequence[str]) -> list[str]:
        """Make the data folder: a metadata log with one voter and the two SCRAM users."""
        tool = ["kafka.tools.StorageTool", "format", "--standalone", "-t", cluster_id]
        return [*self._java(jars, (*options, "-Xmx128m")), *tool, "-c", str(self._properties), f"@{self._users}"]

    def run_command(self, jars: Sequence[Path], options: Sequence[str]) -> list[str]:
        """Run the broker."""
        return [*self._java(jars, (*options, *_BROKER_JVM)), "kafka.Kafka", str(self._properties)]

    def _java(self, jars: Sequence[Path], options: Sequence[str]) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        return [str(JAVA), *JVM, *options, logging, "-cp", ":".join(map(str, jars))]
