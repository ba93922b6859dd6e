"""A broker's configuration.

One or three nodes in KRaft's combined mode. Every listener authenticates. Clients (and the brokers' calls to each
other) do with SCRAM-SHA-512, whose users live in the metadata log, or with certificates. On 127.0.0.1 only, the
controllers do with PLAIN and one user in the configuration, because they must be able to let somebody in before they
can read that log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamwarden_kafka.connection import SCRAM_MECHANISMS, SCRAM_SHA_512

from streamwarden_devstack.ports import LOOPBACK, host_port
from streamwarden_devstack.stack.brokers.identity import BROKER, Identity, Node

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required"
_PROTOCOLS = {"TLS": "SASL_SSL", "MTLS": "SSL"}
"""Of the listeners that are not SASL_PLAINTEXT."""
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"


@dataclass(frozen=True, slots=True)
class Stores:
    """What a broker keeps where; the last two only for TLS."""

    data: Path
    key_store: Path
    """Its key and certificate."""
    authority: Path
    """The certificate that its clients' are signed by."""


def build_server_properties(identity: Identity, node: Node, stores: Stores) -> dict[str, str]:
    """Build a broker's configuration; every key that differs from Kafka's default is here for a reason."""
    login = f'username="{BROKER}" password="{identity.broker_password}"'
    listeners = {name: (where, told) for name, where, told in _listeners(identity, node)}
    controllers = ",".join(f"{LOOPBACK}:{each.controller_port}" for each in identity.nodes)
    protocols = {name: _PROTOCOLS.get(name, "SASL_PLAINTEXT") for name in (*listeners, "CONTROLLER")}
    return {
        "process.roles": "broker,controller",
        "node.id": str(node.id),
        "controller.quorum.bootstrap.servers": controllers,
        "listeners": ",".join(
            [
                *(f"{name}://{where}" for name, (where, _) in listeners.items()),
                f"CONTROLLER://{LOOPBACK}:{node.controller_port}",
            ]
        ),
        "advertised.listeners": ",".join(f"{name}://{told}" for name, (_, told) in listeners.items()),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "sasl.mechanism.inter.broker.protocol": SCRAM_SHA_512,
        "sasl.mechanism.controller.protocol": "PLAIN",
        **_scram(listeners, login),
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.controller.plain.sasl.jaas.config": (
            f'{_PLAIN} {login} user_{BROKER}="{identity.broker_password}";'
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"User:{identity.operator_name};User:{BROKER}",
        "auto.create.topics.enable": "false",
        "log.dirs": str(stores.data),
        **({"delegation.token.secret.key": identity.broker_password} if identity.delegation_tokens else {}),
        **(_tls(stores) if node.tls_port else {}),
        **_replication(len(identity.nodes)),
        **_LAPTOP,
    }


def _listeners(identity: Identity, node: Node) -> Iterator[tuple[str, str, str]]:
    """Give each clients' listener: its name, where it listens, and what clients are told."""
    client = host_port(identity.address, node.client_port)
    yield "CLIENT", client, client
    if node.tls_port:
        tls = host_port(identity.address, node.tls_port)
        yield "TLS", tls, tls
        mtls = host_port(identity.address, node.mtls_port)
        yield "MTLS", mtls, mtls
    if node.proxied_port:
        yield "PROXIED", f"{LOOPBACK}:{node.proxied_port}", f"{LOOPBACK}:{node.proxy_port}"


def _scram(listeners: dict[str, tuple[str, str]], login: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in (name.lower() for name in listeners if name != "MTLS"):
        found[f"listener.name.{name}.sasl.enabled.mechanisms"] = ",".join(SCRAM_MECHANISMS)
        for mechanism in SCRAM_MECHANISMS:
            # Without one the listener does not start, even though all users live in the metadata log.
            found[f"listener.name.{name}.{mechanism.lower()}.sasl.jaas.config"] = f"{_SCRAM} {login};"
    return found


def _tls(stores: Stores) -> dict[str, str]:
    keys = {"keystore.type": "PEM", "keystore.location": str(stores.key_store)}
    own = {f"listener.name.{name}.ssl.{key}": value for name in ("tls", "mtls") for key, value in keys.items()}
    return own | {
        "listener.name.mtls.ssl.client.auth": "required",
        "listener.name.mtls.ssl.truststore.type": "PEM",
        "listener.name.mtls.ssl.truststore.location": str(stores.authority),
        # The user is the common name, and not the whole of a certificate's subject.
        "listener.name.mtls.ssl.principal.mapping.rules": "RULE:^CN=([^,]+),.*$/$1/,DEFAULT",
    }


def _replication(brokers: int) -> dict[str, str]:
    """Of three brokers one may be gone and everything goes on; with one there is nothing to replicate."""
    copies, in_sync = str(brokers), str(max(1, brokers - 1))
    return {
        "default.replication.factor": copies,
        **({"min.insync.replicas": in_sync} if brokers > 1 else {}),
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
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
