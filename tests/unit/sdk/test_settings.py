from __future__ import annotations

from pathlib import Path

import pytest
from streamwarden.runtime.errors import ConfigurationError
from streamwarden.runtime.settings import FormatsFile, Startup, load_agent, read_connection, read_startup
from streamwarden_contract.runtime_config import AgentConfig, SourceTopic
from streamwarden_kafka.connection import Connection


def test_properties_are_read_and_a_bad_line_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text("# a comment\n\nbootstrap.servers=a:1\nsasl.password = a=b \n")
    assert read_connection(tmp_path) == Connection("a:1", password="a=b")
    file.write_text("a=b\nsecret\n")
    with pytest.raises(ConfigurationError, match=r"line 2: write name=value") as caught:
        read_connection(tmp_path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("entrypoint", "message"),
    [
        pytest.param("no_such_module:agent", "there is no module 'no_such_module'", id="no-module"),
        pytest.param("json.no_such:agent", "there is no module 'json.no_such'", id="no-submodule"),
        pytest.param("json:agent", "module 'json' has no 'agent'; write 'agent = Agent", id="no-object"),
        pytest.param("json:dumps", "is a function, not a streamwarden.Agent", id="no-agent"),
    ],
)
def test_a_wrong_entrypoint_says_what_is_missing(entrypoint: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_agent(entrypoint)


def test_a_start_without_settings_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "CREDENTIALS", "POD"):
        monkeypatch.delenv(f"STREAMWARDEN_{name}", raising=False)
    with pytest.raises(ConfigurationError, match="set STREAMWARDEN_CONFIG, STREAMWARDEN_CREDENTIALS, STREAMWARDEN_POD"):
        read_startup()


CONFIG = AgentConfig(
    namespace="n",
    agent="a",
    uid="u",
    entrypoint="x:y",
    decision_topic="d",
    decision_types=(),
    sources=(SourceTopic(name="s", topic="t"),),
)


NO_FILE = FormatsFile(Path("/nowhere/formats.json"))


def test_no_password_shows_where_startup_is_printed() -> None:
    assert "hunter2" not in repr(Startup(CONFIG, "pod", Connection("a:1", password="hunter2"), NO_FILE))


def test_a_ready_file_is_that_of_this_process(tmp_path: Path) -> None:
    file = tmp_path / "ready"
    startup = Startup(CONFIG, "pod", Connection("a:1"), NO_FILE, file)
    startup.mark_ready()
    assert file.exists()
    startup.mark_starting()
    assert not file.exists()
    startup.mark_starting()
    Startup(CONFIG, "pod", Connection("a:1"), NO_FILE).mark_starting()


def write_formats(file: Path, text: str) -> None:
    """Replace the file, as a kubelet does: another inode, whatever the clock says."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


def test_the_format_to_write_follows_the_file_while_the_agent_runs(tmp_path: Path) -> None:
    file = tmp_path / "formats.json"
    formats, found = FormatsFile(file), list[int]()
    found.append(formats.decision())
    for text in ('{"decision":2}', '{"decision":1}', '{"decision":9,"command":3}', "{", '{"decision":2}'):
        write_formats(file, text)
        found.append(formats.decision())
    file.unlink()
    found.append(formats.decision())
    assert found == [1, 2, 1, 2, 1, 2, 1], "without a file 1; of a newer one what is known; of a broken one 1"
