"""Who the brokers are: ports, passwords and ids, made with a data folder and kept with it."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from streamwarden_kafka.connection import SCRAM_MECHANISMS, SCRAM_SHA_512, Connection, Protocol
from streamwarden_kafka.private_files import write_private

from streamwarden_devstack.ports import LOOPBACK, free_ports, host_port, is_free
from streamwarden_devstack.proxy.routes import Route
from streamwarden_devstack.stack.errors import StackError
from streamwarden_devstack.stack.versions import DEFAULT, kafka_set

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPERATOR = "streamwarden.operator"
BROKER = "streamwarden.broker"
FIRST = "streamwarden.first-llwqaium"
"""A user whom nobody knows the password of, so that a broker that starts again keeps all others (KAFKA-20774).

A broker that reads its metadata log from the start forgets *every* user of a SCRAM mechanism if the first change that
it comes to is a removal. It goes through the changes in the order of a Java ``HashMap``; this name's ``hashCode`` is 0,
and it is the first that the log holds, so what it comes to first is this user, who is never removed.
"""

COUNTS = (1, 3)
"""How many brokers there can be: each is a controller too, and two would stand still with either of them gone."""


def new_cluster_id() -> str:
    """Make an id as Kafka does: 22 characters of URL-safe base64, and none that looks like an option."""
    while (made := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return made


def _password() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, slots=True)
class KafkaOptions:
    """Which Kafka is wanted."""

    version: str = DEFAULT
    """A minor version, as in ``4.3``."""
    brokers: int = 1
    """One, or three with a replication factor of 3 and ``min.insync.replicas`` 2."""
    tls: bool = False
    """With two TLS listeners beside the plain one, for passwords, which clients are told of, and for certificates."""
    proxied: bool = False
    """With a listener more for each broker, whose clients are told the address of a proxy."""
    operator: str = OPERATOR
    """The super user's name."""
    delegation_tokens: bool = False
    """Whether users may make some; Kafka's own default is that nobody has any."""

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            StackError: There is no such version here, or so many brokers cannot be.
        """
        kafka_set(self.version)
        if self.brokers not in COUNTS:
            raise StackError(f"a stack has {' or '.join(map(str, COUNTS))} brokers, not {self.brokers}")


@dataclass(frozen=True, slots=True)
class Node:
    """One broker, which is a controller too; a port of 0 is a listener that it has not."""

    client_port: int
    controller_port: int
    id: int = 1
    directory_id: str = field(default_factory=new_cluster_id)
    """Of its data folder; the first voters are named by it."""
    tls_port: int = 0
    mtls_port: int = 0
    proxied_port: int = 0
    proxy_port: int = 0
    """Where a proxy before ``proxied_port`` listens."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a data folder belongs to: made with it, and kept with it."""

    nodes: tuple[Node, ...]
    cluster_id: str = field(default_factory=new_cluster_id)
    operator_password: str = field(default_factory=_password, repr=False)
    broker_password: str = field(default_factory=_password, repr=False)
    address: str = LOOPBACK
    """Where clients are listened for."""
    version: str = DEFAULT
    operator_name: str = OPERATOR
    delegation_tokens: bool = False

    def scram_users(self) -> Iterator[tuple[str, str, str]]:
        """Give mechanism, user and password of each that the metadata log begins with."""
        for mechanism in SCRAM_MECHANISMS:
            yield mechanism, FIRST, _password()
        yield SCRAM_SHA_512, self.operator_name, self.operator_password
        yield SCRAM_SHA_512, BROKER, self.broker_password

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect."""
        return ",".join(host_port(self.address, node.client_port) for node in self.nodes)

    @property
    def tls_bootstrap_servers(self) -> str:
        """Where clients connect with TLS; empty without such a listener."""
        return ",".join(host_port(self.address, node.tls_port) for node in self.nodes if node.tls_port)

    @property
    def mtls_bootstrap_servers(self) -> str:
        """Where clients with certificates connect; empty without such a listener."""
        return ",".join(host_port(self.address, node.mtls_port) for node in self.nodes if node.mtls_port)

    @property
    def routes(self) -> tuple[Route, ...]:
        """From where a proxy listens to the listeners behind it; none without such listeners."""
        return tuple(Route(node.proxy_port, node.proxied_port) for node in self.nodes if node.proxied_port)

    def operator(self) -> Connection:
        """The connection of the operator's principal, a super user, at the plain listeners."""
        return Connection.scram(self.bootstrap_servers, self.operator_name, self.operator_password)

    def tls_operator(self, ca_location: Path) -> Connection:
        """The same at the TLS listeners."""
        return Connection(
            self.tls_bootstrap_servers,
            Protocol.SASL_SSL,
            self.operator().mechanism,
            self.operator_name,
            self.operator_password,
            str(ca_location),
        )

    def taken_ports(self) -> list[int]:
        """The ports that other processes listen on now."""
        return [port for port, address in self._listened() if not is_free(port, address)]

    def save(self, path: Path) -> None:
        """Keep it for a later start with the same data (0600)."""
        write_private(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Identity:
        """Read what :meth:`save` wrote."""
        said: dict[str, Any] = json.loads(path.read_text("utf-8"))
        # Written while there was one broker only.
        nodes = said.pop("nodes", None) or [{name: said.pop(name) for name in ("client_port", "controller_port")}]
        return cls(tuple(Node(**node) for node in nodes), **said)

    def _listened(self) -> Iterator[tuple[int, str]]:
        for node in self.nodes:
            yield node.controller_port, LOOPBACK
            yield from ((port, self.address) for port in (node.client_port, node.tls_port, node.mtls_port) if port)
            if node.proxied_port:
                yield node.proxied_port, LOOPBACK


def new_identity(options: KafkaOptions, address: str) -> Identity:
    """Make the identity of new data."""
    nodes = tuple(new_node(number, options, address) for number in range(1, options.brokers + 1))
    return Identity(
        nodes,
        address=address,
        version=options.version,
        operator_name=options.operator,
        delegation_tokens=options.delegation_tokens,
    )


def new_node(number: int, options: KafkaOptions, address: str) -> Node:
    """Choose free ports for a broker."""
    client, controller, tls, mtls, proxied, proxy = free_ports(6, address)
    return Node(
        client,
        controller,
        number,
        tls_port=tls if options.tls else 0,
        mtls_port=mtls if options.tls else 0,
        proxied_port=proxied if options.proxied else 0,
        proxy_port=proxy if options.proxied else 0,
    )
