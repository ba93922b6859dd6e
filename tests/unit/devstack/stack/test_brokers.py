"""Three brokers, TLS and proxies: what is written for them."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import trustme
from streamwarden_devstack.ports import LOOPBACK
from streamwarden_devstack.proxy.routes import Route
from streamwarden_devstack.stack.background import Settings
from streamwarden_devstack.stack.brokers.configuration import Stores, build_server_properties
from streamwarden_devstack.stack.brokers.files import ClusterFiles
from streamwarden_devstack.stack.brokers.identity import Identity, KafkaOptions, Node, new_identity
from streamwarden_devstack.stack.brokers.running import Brokers
from streamwarden_devstack.stack.errors import StackError
from streamwarden_devstack.stack.keeper import parse_arguments
from streamwarden_devstack.stack.reporting import QuietReporter
from streamwarden_devstack.stack.versions import KAFKAS, kafka_set
from streamwarden_kafka.connection import Protocol

STORES = Stores(Path("/data"), Path("/key-store.pem"), Path("/ca.pem"))
THREE = Identity(
    tuple(
        Node(15000 + each, 15010 + each, each, f"dir-{each}", 15020 + each, 15025 + each, 15030 + each, 15040 + each)
        for each in (1, 2, 3)
    ),
    "cluster",
    "operator-secret",
    "broker-secret",
)


def properties_of(number: int) -> dict[str, str]:
    return build_server_properties(THREE, THREE.nodes[number - 1], STORES)


def test_each_of_three_brokers_listens_on_ports_of_its_own_and_knows_all_controllers() -> None:
    second = properties_of(2)

    assert second["node.id"] == "2"
    assert second["listeners"] == (
        "CLIENT://127.0.0.1:15002,TLS://127.0.0.1:15022,MTLS://127.0.0.1:15027,PROXIED://127.0.0.1:15032,CONTROLLER://127.0.0.1:15012"
    )
    assert second["controller.quorum.bootstrap.servers"] == "127.0.0.1:15011,127.0.0.1:15012,127.0.0.1:15013"


def test_clients_of_the_proxied_listener_are_told_the_proxys_address() -> None:
    assert properties_of(1)["advertised.listeners"] == (
        "CLIENT://127.0.0.1:15001,TLS://127.0.0.1:15021,MTLS://127.0.0.1:15026,PROXIED://127.0.0.1:15041"
    )
    assert THREE.routes == (Route(15041, 15031), Route(15042, 15032), Route(15043, 15033))


def test_every_listener_of_three_brokers_authenticates() -> None:
    properties = properties_of(1)

    assert properties["listener.security.protocol.map"] == (
        "CLIENT:SASL_PLAINTEXT,TLS:SASL_SSL,MTLS:SSL,PROXIED:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT"
    )
    for listener in ("client", "tls", "proxied"):
        assert properties[f"listener.name.{listener}.sasl.enabled.mechanisms"] == "SCRAM-SHA-512,SCRAM-SHA-256"
    assert properties["listener.name.mtls.ssl.client.auth"] == "required"
    assert properties["listener.name.mtls.ssl.truststore.location"] == "/ca.pem"


def test_delegation_tokens_are_there_for_who_asks_for_them() -> None:
    setting = "delegation.token.secret.key"
    switched_on = dataclasses.replace(THREE, delegation_tokens=True)
    assert setting not in properties_of(1)
    secrets = {build_server_properties(switched_on, node, STORES)[setting] for node in THREE.nodes}
    assert secrets == {THREE.broker_password}
    assert new_identity(KafkaOptions(delegation_tokens=True), LOOPBACK).delegation_tokens


def test_of_three_brokers_one_may_be_gone_and_one_alone_replicates_nothing() -> None:
    names = ("default.replication.factor", "min.insync.replicas", "transaction.state.log.min.isr")
    alone = dataclasses.replace(THREE, nodes=THREE.nodes[:1])
    single = build_server_properties(alone, alone.nodes[0], STORES)

    assert [properties_of(1)[name] for name in names] == ["3", "2", "2"]
    assert [single.get(name) for name in names] == ["1", None, "1"]


def test_the_operator_is_told_of_every_broker_and_with_tls_of_the_authority() -> None:
    operator = THREE.tls_operator(Path("/ca.pem"))

    assert THREE.operator().bootstrap_servers == "127.0.0.1:15001,127.0.0.1:15002,127.0.0.1:15003"
    assert (operator.protocol, operator.bootstrap_servers, operator.ca_location) == (
        Protocol.SASL_SSL,
        "127.0.0.1:15021,127.0.0.1:15022,127.0.0.1:15023",
        "/ca.pem",
    )


def test_keys_and_passwords_are_for_their_owner_and_in_no_command(tmp_path: Path) -> None:
    files = ClusterFiles(tmp_path)
    files.write(THREE, trustme.CA())

    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o077 for path in written} == {0}
    assert [each.folder.name for each in files.all_of(THREE)] == ["broker-1", "broker-2", "broker-3"]
    for each in files.all_of(THREE):
        assert not any("secret" in word for word in [*each.format_command([], ()), *each.run_command([], ())])
        assert "-----BEGIN PRIVATE KEY-----" in (each.folder / "key-store.pem").read_text()
    assert Identity.load(files.identity) == THREE


def test_the_super_user_has_the_name_that_is_asked_for() -> None:
    identity = new_identity(KafkaOptions(operator="green.operator"), LOOPBACK)

    properties = build_server_properties(identity, identity.nodes[0], STORES)

    assert identity.operator().username == "green.operator"
    assert properties["super.users"] == "User:green.operator;User:streamwarden.broker"


def test_an_identity_of_the_time_of_one_broker_is_read(tmp_path: Path) -> None:
    file = tmp_path / "identity.json"
    old = {"client_port": 1, "controller_port": 2, "cluster_id": "c", "operator_password": "o", "broker_password": "b"}
    file.write_text(json.dumps(old | {"address": "127.0.0.1"}))

    found = Identity.load(file)

    assert (found.bootstrap_servers, found.cluster_id, found.operator_password) == ("127.0.0.1:1", "c", "o")


@pytest.mark.parametrize("brokers", [0, 2, 4])
def test_other_numbers_of_brokers_than_one_and_three_are_refused(brokers: int) -> None:
    with pytest.raises(StackError, match=f"^a stack has 1 or 3 brokers, not {brokers}$"):
        KafkaOptions(brokers=brokers).check()


@pytest.mark.parametrize(
    "asked", [pytest.param(KafkaOptions(brokers=3), id="brokers"), pytest.param(KafkaOptions("4.4"), id="version")]
)
async def test_kept_data_of_another_kafka_are_not_touched(tmp_path: Path, asked: KafkaOptions) -> None:
    Identity((Node(15001, 15002),)).save(tmp_path / "identity.json")
    (tmp_path / "data").mkdir()
    brokers = Brokers(tmp_path, asked, LOOPBACK, [], QuietReporter())

    with pytest.raises(StackError, match=r"are those of 1 broker\(s\) of Kafka 4\.3"):
        await brokers.start([], keep_data=True)

    assert (tmp_path / "data").is_dir()


def test_a_version_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(StackError, match=r"^no Kafka 2\.8 here; there are 3\.9, 4\.0, 4\.3, 4\.4$"):
        kafka_set("2.8")
    assert {name: release.rpartition(".")[0] for name, release in KAFKAS.items()} == {name: name for name in KAFKAS}


def test_a_keeper_is_told_of_everything_that_was_asked_for() -> None:
    asked = Settings(KafkaOptions("4.0", 3, tls=True), registry=False, keep_data=True, address="127.0.0.2")

    assert parse_arguments(["/folder", *asked.arguments()]) == (Path("/folder"), asked)
    assert parse_arguments(["/folder", *Settings().arguments()]) == (Path("/folder"), Settings())
