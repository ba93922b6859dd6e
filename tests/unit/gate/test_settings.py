from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import structlog
from streamwarden_gate.__main__ import main
from streamwarden_gate.errors import ConfigError
from streamwarden_gate.public_keys import PublicKeyFile
from streamwarden_gate.settings import read_settings
from streamwarden_kafka.connection import Connection
from support.policy_log import SigningKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GATE = {"format": 1, "namespace": "risk", "agent": "guard", "uid": "u", "operatorNamespace": "streamwarden"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "gate.json").write_text(json.dumps(GATE))
    (tmp_path / "public-keys.json").write_text(json.dumps(SigningKey().public_file))
    (tmp_path / "client.properties").write_text("# made by the operator\nbootstrap.servers=a:1\nsasl.password=p=w\n\n")
    return {
        "STREAMWARDEN_CONFIG": str(tmp_path),
        "STREAMWARDEN_CREDENTIALS": str(tmp_path),
        "STREAMWARDEN_POD": "pod-0",
    }


def test_settings_come_from_the_folders(environment: dict[str, str]) -> None:
    settings = read_settings(environment)
    assert (settings.identity.agent, settings.identity.pod, settings.max_batch) == ("guard", "pod-0", 1000)
    assert settings.kafka == Connection("a:1", password="p=w")


def test_the_gate_s_installation_is_in_its_configuration(environment: dict[str, str], tmp_path: Path) -> None:
    assert read_settings(environment).identity.installation == "streamwarden"
    (tmp_path / "gate.json").write_text(json.dumps(GATE | {"installation": "other"}))
    assert read_settings(environment).identity.installation == "other"


def test_policies_are_outdated_after_30_s_unless_said(environment: dict[str, str]) -> None:
    assert read_settings(environment).max_staleness_s == 30
    environment["STREAMWARDEN_GATE_MAX_STALENESS"] = "2"
    assert read_settings(environment).max_staleness_s == 2


def test_x08_a_gate_judges_5000_records_a_second_at_most_unless_said(environment: dict[str, str]) -> None:
    assert read_settings(environment).max_rate == 5_000
    environment["STREAMWARDEN_GATE_MAX_RATE"] = "10"
    assert read_settings(environment).max_rate == 10


def test_secrets_are_not_shown(environment: dict[str, str]) -> None:
    assert "p=w" not in repr(read_settings(environment))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda env, _: env.pop("STREAMWARDEN_POD"), "set STREAMWARDEN_POD", id="no-pod"),
        pytest.param(lambda env, _: env.pop("STREAMWARDEN_CONFIG"), "set STREAMWARDEN_CONFIG", id="no-config-folder"),
        pytest.param(lambda _, path: (path / "gate.json").unlink(), "cannot read", id="no-gate-json"),
        pytest.param(lambda _, path: (path / "gate.json").write_text("{}"), "namespace: Field required", id="empty"),
        pytest.param(
            lambda _, path: (path / "gate.json").write_text(json.dumps(GATE | {"agent": "a.b"})), "a.b", id="bad-name"
        ),
        pytest.param(
            lambda _, path: (path / "gate.json").write_text(json.dumps(GATE | {"installation": "a.b"})),
            "installation: String should match pattern",
            id="an-installation-with-a-dot",
        ),
        pytest.param(
            lambda _, path: (path / "gate.json").write_text(json.dumps(GATE | {"installation": "risk"})),
            "Streamwarden's own",
            id="an-agent-in-the-installation-s-namespace",
        ),
        pytest.param(
            lambda _, path: (path / "client.properties").write_text("oops"), "line 1: write name=value", id="no-value"
        ),
        pytest.param(
            lambda _, path: (path / "client.properties").write_text("a=b"), "bootstrap.servers", id="no-servers"
        ),
        pytest.param(
            lambda env, _: env.update(STREAMWARDEN_GATE_MAX_BATCH="0"), "an integer from 1 to 5000", id="batch"
        ),
        pytest.param(lambda env, _: env.update(STREAMWARDEN_GATE_MAX_STALENESS="inf"), "from 2 to 300", id="staleness"),
        pytest.param(lambda env, _: env.update(STREAMWARDEN_GATE_MAX_RATE="9"), "from 10 to 100000", id="rate"),
    ],
)
def test_bad_settings_say_what_to_do(
    environment: dict[str, str], tmp_path: Path, spoil: Callable[[dict[str, str], Path], object], message: str
) -> None:
    spoil(environment, tmp_path)
    with pytest.raises(ConfigError, match=message):
        read_settings(environment)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("nonsense", id="no-json"),
        pytest.param("{}", id="no-key"),
        pytest.param('{"a":"!!"}', id="no-base64"),
        pytest.param('{"a":"AAAA"}', id="too-short"),
    ],
)
def test_public_keys_that_cannot_be_read_are_a_configuration_error(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(ConfigError):
        PublicKeyFile(file)


def test_public_keys_are_read_again_when_the_file_changes(tmp_path: Path) -> None:
    old, new = SigningKey("old"), SigningKey("new")
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(old.public_file))
    keys = PublicKeyFile(file)
    assert not keys.refresh()
    file.write_text(json.dumps(old.public_file | new.public_file))
    os.utime(file, ns=(1, 1))
    assert keys.refresh()
    assert keys.verify("new", new.private.sign(b"x"), b"x")
    assert not keys.verify("new", old.private.sign(b"x"), b"x")
    assert not keys.verify("other", old.private.sign(b"x"), b"x")


def test_a_broken_file_leaves_the_known_keys(tmp_path: Path) -> None:
    key = SigningKey()
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(key.public_file))
    keys = PublicKeyFile(file)
    file.write_text("")
    with pytest.raises(ConfigError):
        keys.refresh()
    assert keys.knows(key.key_id)


def test_a_gate_that_cannot_start_leaves_word_of_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CONFIG", "CREDENTIALS", "POD"):
        monkeypatch.delenv(f"STREAMWARDEN_{name}", raising=False)
    words = tmp_path / "last-words"
    monkeypatch.setenv("STREAMWARDEN_LAST_WORDS", str(words))
    try:
        assert main() == 2
    finally:
        structlog.reset_defaults()
    assert words.read_text().startswith("set STREAMWARDEN_CONFIG to the folder that holds gate.json")
