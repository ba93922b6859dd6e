"""``streamwarden inventory list``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.audit import reader
from streamwarden_cli.audit.inventory import as_json, read_inventory, table
from streamwarden_cli.audit.source import AbsentError, Record
from streamwarden_cli.exit_codes import ExitCode
from streamwarden_cli.main import app
from streamwarden_contract.inventory import (
    InstallationItem,
    Item,
    NamespaceItem,
    Stage,
    SubjectItem,
    TopicItem,
    UserItem,
)
from support.audit_source import MemorySource
from support.commands import CliRunner

if TYPE_CHECKING:
    from pathlib import Path

    from streamwarden_kafka.connection import Connection

TOPIC = "streamwarden.inventory"
GATE = UserItem(user="risk.guard.gate", namespace="risk", agent="guard", owner_uid="u", stage=Stage.INTENT)
GHOST = GATE.model_copy(update={"user": "risk.ghost.gate", "agent": "ghost"})


def written(*changes: Item | tuple[str, bytes | None]) -> MemorySource:
    pairs = [it if isinstance(it, tuple) else (it.key, it.encode()) for it in changes]
    records = [Record(0, offset, key.encode(), value) for offset, (key, value) in enumerate(pairs)]
    return MemorySource(records={TOPIC: records}, counts={TOPIC: 1})


SOURCE = written(
    InstallationItem(installation="streamwarden"),
    GHOST,
    GATE,
    NamespaceItem(namespace="risk", stage=Stage.MADE),
    GATE.model_copy(update={"stage": Stage.MADE}),
    (GHOST.key, None),
    ("quota/billing.invoices", b"{}"),
    TopicItem(topic="risk.urls", namespace="risk", contract="urls", owner_uid="u", stage=Stage.MADE),
    SubjectItem(subject="risk.urls-value", namespace="risk", contract="urls", owner_uid="u", stage=Stage.MADE),
)


def test_the_newest_of_each_key_is_listed_and_what_is_gone_is_not() -> None:
    assert list(table(read_inventory(SOURCE, TOPIC))) == [
        "KIND          NAMESPACE  NAME              FOR    STAGE",
        "installation  -          streamwarden      -      -",
        "namespace     risk       risk              -      Made",
        "quota         -          billing.invoices  -      unknown key 'quota/billing.invoices'",
        "subject       risk       risk.urls-value   urls   Made",
        "topic         risk       risk.urls         urls   Made",
        "user          risk       risk.guard.gate   guard  Made",
    ]


def test_a_namespace_shows_its_own() -> None:
    rows = read_inventory(SOURCE, TOPIC)
    assert [line.split()[0] for line in table(rows, "risk")] == ["KIND", "namespace", "subject", "topic", "user"]
    assert as_json(rows[-1]) == {
        "kind": "user",
        "name": "risk.guard.gate",
        "namespace": "risk",
        "owner": "guard",
        "stage": "Made",
    }


class Reader(MemorySource):
    """In the place of one that reads Kafka."""

    def close(self) -> None:
        """Nothing to let go of."""


@pytest.fixture
def kafka(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def opened(_connection: Connection) -> Reader:
        return Reader(records=SOURCE.records, counts=SOURCE.counts)

    monkeypatch.setattr(reader, "AuditReader", opened)
    file = tmp_path / "kafka.properties"
    file.write_text("bootstrap.servers=127.0.0.1:1\n")
    return file


def test_the_command_prints_json_for_programs(kafka: Path) -> None:
    answer = CliRunner().invoke(app, ["inventory", "list", "--kafka", str(kafka), "-n", "risk", "-o", "json"])
    assert answer.exit_code == ExitCode.DONE
    assert [found["name"] for found in json.loads(answer.output)] == [
        "risk",
        "risk.urls-value",
        "risk.urls",
        "risk.guard.gate",
    ]


def test_an_inventory_that_is_not_there_says_what_to_look_at(kafka: Path) -> None:
    answer = CliRunner().invoke(app, ["inventory", "list", "--kafka", str(kafka), "--installation", "acme"])
    assert answer.exit_code == ExitCode.FAILED
    assert "acme.inventory. Is it this Kafka, and --installation right?" in answer.output


def test_a_name_that_no_installation_has_is_a_wrong_option(kafka: Path) -> None:
    answer = CliRunner().invoke(app, ["inventory", "list", "--kafka", str(kafka), "--installation", "a.b"])
    assert (answer.exit_code, "'a.b' is not a DNS label" in answer.output) == (ExitCode.USAGE, True)


def test_absent_topics_are_told_apart_from_outages() -> None:
    with pytest.raises(AbsentError):
        read_inventory(MemorySource(), TOPIC)
