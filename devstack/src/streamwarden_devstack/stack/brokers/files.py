"""The brokers' files below their folder, and the commands that format and run one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from streamwarden_kafka.private_files import private_folder, write_private

from streamwarden_devstack.ports import LOOPBACK
from streamwarden_devstack.stack.brokers.configuration import Stores, build_server_properties, render_properties
from streamwarden_devstack.stack.java import JAVA

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import trustme

    from streamwarden_devstack.stack.brokers.identity import Identity, Node

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


@dataclass(frozen=True, slots=True)
class ClusterFiles:
    """What the brokers have in common."""

    folder: Path

    @property
    def identity(self) -> Path:
        """Ports, ids and passwords of the data (0600)."""
        return self.folder / "identity.json"

    @property
    def authority(self) -> Path:
        """The certificate that the brokers' are signed by (PEM), made anew at each start."""
        return self.folder / "ca.pem"

    def of(self, node: Node, brokers: int) -> BrokerFiles:
        """Give the files of one broker; a single one has no folder of its own."""
        return BrokerFiles(self.folder if brokers == 1 else self.folder / f"broker-{node.id}", node)

    def all_of(self, identity: Identity) -> list[BrokerFiles]:
        """Give the files of all brokers."""
        return [self.of(node, len(identity.nodes)) for node in identity.nodes]

    def write(self, identity: Identity, authority: trustme.CA | None = None) -> None:
        """Write everything the commands read. Passwords go through files: arguments are for all to see."""
        identity.save(self.identity)
        if authority is not None:
            write_private(self.authority, authority.cert_pem.bytes().decode())
        for each in self.all_of(identity):
            each.write(identity, self.authority, authority)

    def write_certificate(self, user: str, authority: trustme.CA) -> Path:
        """Write a user's key and certificate into one file (0600)."""
        # Without a host trustme writes an empty list of them, which Java refuses.
        certificate = authority.issue_cert("localhost", common_name=user)
        return write_private(self.folder / "users" / f"{user}.pem", _pem(certificate))

    def clear(self) -> None:
        """Remove the data of all brokers and their logs."""
        for folder in (self.folder, *self.folder.glob("broker-*")):
            shutil.rmtree(folder / "data", ignore_errors=True)
            (folder / "kafka.log").unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """The files of one broker."""

    folder: Path
    node: Node

    @property
    def data(self) -> Path:
        """Topics and the metadata log."""
        return self.folder / "data"

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
    def _arguments(self) -> Path:
        return self.folder / "format.args"

    @property
    def _key_store(self) -> Path:
        return self.folder / "key-store.pem"

    def write(self, identity: Identity, trusted: Path, authority: trustme.CA | None) -> None:
        """Write the broker's configuration, its certificate, and what formatting needs."""
        private_folder(self.folder)
        properties = build_server_properties(identity, self.node, Stores(self.data, self._key_store, trusted))
        write_private(self._properties, render_properties(properties))
        logging = files(__package__).joinpath("log4j2.properties").read_text("utf-8")
        write_private(self.folder / "log4j2.properties", logging)
        write_private(self._arguments, "".join(f"{line}\n" for line in _format_arguments(identity)))
        if authority is not None:
            write_private(self._key_store, _pem(authority.issue_cert(identity.address, "localhost")))

    def format_command(self, jars: Sequence[Path], options: Sequence[str]) -> list[str]:
        """Make the data folder: a metadata log with the first voters and the first SCRAM users."""
        java = self._java(jars, (*options, "-Xmx128m"))
        return [*java, "kafka.tools.StorageTool", "format", "-c", str(self._properties), f"@{self._arguments}"]

    def run_command(self, jars: Sequence[Path], options: Sequence[str]) -> list[str]:
        """Run the broker."""
        return [*self._java(jars, (*options, *_BROKER_JVM)), "kafka.Kafka", str(self._properties)]

    def _java(self, jars: Sequence[Path], options: Sequence[str]) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}"
        return [str(JAVA), *JVM, *options, logging, "-cp", ":".join(map(str, jars))]


def _pem(certificate: trustme.LeafCert) -> str:
    """Give key and certificates; Kafka reads a key in the form of PKCS #8 only, which trustme does not write."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return b"".join([pem, *(each.bytes() for each in certificate.cert_chain_pems)]).decode()


def _format_arguments(identity: Identity) -> list[str]:
    voters = [f"{each.id}@{LOOPBACK}:{each.controller_port}:{each.directory_id}" for each in identity.nodes]
    lines = ["--cluster-id", identity.cluster_id, "--initial-controllers", ",".join(voters)]
    for mechanism, name, password in identity.scram_users():
        lines += ["--add-scram", f"{mechanism}=[name={name},password={password}]"]
    return lines
