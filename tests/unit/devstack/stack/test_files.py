from __future__ import annotations

import asyncio
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from streamwarden_contract.names import InstallationNames
from streamwarden_devstack.logs import end_of
from streamwarden_devstack.ports import free_ports, is_free
from streamwarden_devstack.stack import registry
from streamwarden_devstack.stack.brokers.configuration import Stores, build_server_properties
from streamwarden_devstack.stack.brokers.files import ClusterFiles
from streamwarden_devstack.stack.brokers.identity import Identity, Node, new_cluster_id
from streamwarden_devstack.stack.errors import ServiceFailedError
from streamwarden_devstack.stack.java import startup_cache
from streamwarden_devstack.stack.reporting import QuietReporter
from streamwarden_devstack.stack.service import Server, Service, run_once
from streamwarden_kafka.connection import Connection
from streamwarden_kafka.private_files import private_folder, write_private
from typing_extensions import override

NODE = Node(15001, 15002)
STORES = Stores(Path("/data"), Path("/key-store.pem"), Path("/ca.pem"))
IDENTITY = Identity((NODE,), "cluster", "operator-secret", "broker-secret")


async def never() -> None:
    await asyncio.Event().wait()


def shell(tmp_path: Path, script: str, timeout_s: float = 20.0) -> Server:
    return Server("the server", lambda: ["/bin/sh", "-c", script], never, tmp_path, tmp_path / "log", timeout_s)


def test_the_end_of_a_log_is_what_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(f"line {number}" for number in range(10_000)))

    assert end_of(log, 2) == "line 9998\nline 9999"


def test_a_log_that_is_not_there_or_empty_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    assert end_of(tmp_path / "none") == "(no log)"
    assert end_of(tmp_path / "empty") == "(the log is empty)"


async def test_a_server_that_dies_at_its_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    service = Service(shell(tmp_path, "echo no more room; exit 3"), QuietReporter())

    with pytest.raises(ServiceFailedError, match=r"(?s)the server ended with code 3 .*no more room"):
        await service.start()

    assert service.pid is None


@pytest.mark.slow
async def test_a_server_that_does_not_answer_in_time_is_ended(tmp_path: Path) -> None:
    service = Service(shell(tmp_path, "echo still thinking; exec sleep 600", 0.3), QuietReporter())

    with pytest.raises(ServiceFailedError, match=r"(?s)gave no answer in .*still thinking"):
        await service.start()

    assert service.pid is None


@pytest.mark.slow
async def test_a_server_that_was_killed_is_said_to_be_gone_and_to_be_back(tmp_path: Path) -> None:
    said: asyncio.Queue[str] = asyncio.Queue()

    class Notes(QuietReporter):
        @override
        def note(self, text: str) -> None:
            said.put_nowait(text)

    async def at_once() -> None:
        return

    server = replace(shell(tmp_path, "exec sleep 600"), answers=at_once)
    service = Service(server, Notes())
    await service.start()
    try:
        first = service.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(20):
            notes = [await said.get(), await said.get()]
        assert notes == ["the server was ended by signal 9; starting it again", "the server answers again"]
        assert service.pid not in {None, first}
    finally:
        await service.stop(0.0)


async def test_a_command_that_fails_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(ServiceFailedError, match=r"(?s)ended with code 2.*cannot format"):
        await run_once(shell(tmp_path, "echo cannot format; exit 2"))


def test_private_files_and_folders_are_for_their_owner(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "a" / "b")
    file = write_private(folder / "secret", "text")

    modes = [path.stat().st_mode & 0o777 for path in (folder.parent, folder, file)]
    assert modes == [0o700, 0o700, 0o600]
    assert [path.name for path in folder.iterdir()] == ["secret"]


def test_a_private_file_takes_over_nobody_s_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamwarden_kafka.private_files.secrets.token_hex", lambda _: "guessed")
    (tmp_path / ".secret.guessed").touch(mode=0o644)
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "secret", "text")
    assert (tmp_path / ".secret.guessed").read_text() == ""


def test_every_listener_of_the_broker_authenticates_and_is_bound_to_this_machine() -> None:
    properties = build_server_properties(IDENTITY, NODE, STORES)

    assert properties["listeners"] == "CLIENT://127.0.0.1:15001,CONTROLLER://127.0.0.1:15002"
    assert properties["listener.security.protocol.map"] == "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT"


def test_an_address_of_ipv6_stands_in_brackets_wherever_a_port_follows() -> None:
    identity = replace(IDENTITY, address="::1")

    assert build_server_properties(identity, NODE, STORES)["advertised.listeners"] == "CLIENT://[::1]:15001"
    assert identity.operator().bootstrap_servers == "[::1]:15001"
    assert registry.registry_url(15003, "::1") == "http://[::1]:15003/apis/ccompat/v7"


def test_what_no_acl_allows_is_denied_but_to_operator_and_broker() -> None:
    properties = build_server_properties(IDENTITY, NODE, STORES)

    assert properties["allow.everyone.if.no.acl.found"] == "false"
    assert properties["super.users"] == "User:streamwarden.operator;User:streamwarden.broker"
    assert properties["auto.create.topics.enable"] == "false"


def test_passwords_are_in_no_command_and_no_repr(tmp_path: Path) -> None:
    files = ClusterFiles(tmp_path)
    files.write(IDENTITY)
    broker = files.of(NODE, 1)

    commands = [*broker.format_command([], ()), *broker.run_command([], ())]
    assert not any("secret" in word for word in commands)
    assert "secret" not in repr(IDENTITY)
    assert Identity.load(files.identity) == IDENTITY


def test_the_operator_is_a_scram_user_of_the_clients_listener() -> None:
    assert IDENTITY.operator() == Connection.scram(
        "127.0.0.1:15001", InstallationNames().operator_principal, "operator-secret"
    )


def test_a_cluster_id_never_looks_like_an_option() -> None:
    made = [new_cluster_id() for _ in range(500)]

    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", one) for one in made)


def test_ports_are_different_free_and_below_the_ephemeral_ones() -> None:
    ports = free_ports(3)

    assert len(set(ports)) == 3
    assert all(15_000 <= port < 30_000 and is_free(port) for port in ports)


def test_a_startup_cache_is_trained_once_and_used_after(tmp_path: Path) -> None:
    cache = startup_cache(tmp_path, "kafka", ["abc"])
    training = cache.options()
    in_training = cache.may_be_trained
    cache.training.write_bytes(b"classes")
    cache.keep()

    assert training[-1] == f"-XX:AOTCacheOutput={cache.training}"
    assert cache.options()[-1] == f"-XX:AOTCache={cache.path}"
    assert (in_training, cache.may_be_trained) == (True, False)
    assert startup_cache(tmp_path, "kafka", ["other jars"]).path != cache.path


def test_without_a_folder_that_can_be_written_a_jvm_starts_without_a_startup_cache(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    cache = startup_cache(tmp_path / "file", "kafka", ["abc"])

    assert [option for option in cache.options() if "AOT" in option] == []
    assert not cache.may_be_trained


def test_a_startup_cache_that_does_no_good_is_dropped(tmp_path: Path) -> None:
    cache = startup_cache(tmp_path, "kafka", ["abc"])
    cache.options()
    cache.path.write_bytes(b"classes")
    cache.drop()

    assert not any(option.startswith("-XX:AOTCache=") for option in cache.use_only())


def test_an_archive_that_another_process_has_unpacked_meanwhile_is_not_needed(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.mkdir()
    asyncio.run(registry.unpack(tmp_path / "gone.tar.gz", program))
    assert list(tmp_path.iterdir()) == [program]
