"""What ``streamwarden watch`` says before it looks at anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.main import app
from support.commands import CliRunner

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("sasl.username=a\n", "bootstrap.servers is missing", id="no-address"),
        pytest.param("bootstrap.servers=a:1\nsecret-without-a-name\n", "line 2: write name=value", id="no-setting"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_and_not_repeated(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "kafka.properties"
    file.write_text(text)
    answer = CliRunner().invoke(app, ["watch", "--kafka", str(file), str(tmp_path)], env={"COLUMNS": "200"})
    assert answer.exit_code == 2
    assert message in answer.output
    assert "secret-without-a-name" not in answer.output


def test_x64_where_no_api_server_is_named_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    file, folder = tmp_path / "kafka.properties", tmp_path / "manifests"
    file.write_text("bootstrap.servers=127.0.0.1:1\n")
    folder.mkdir()
    named = {"COLUMNS": "200", "KUBECONFIG": str(tmp_path / "absent")}
    answer = CliRunner().invoke(app, ["watch", "--kafka", str(file), str(folder)], env=named)
    assert (answer.exit_code, list(folder.iterdir())) == (2, [])
    assert "error: no kubeconfig at" in answer.output
