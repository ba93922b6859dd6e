"""What commands say of folders and settings that cannot be used, of what they wrote, and how they are to be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamwarden_cli.exit_codes import ExitCode
from streamwarden_cli.main import app
from support.commands import WRONG_KUBECONFIGS, CliRunner

WIDE = {"COLUMNS": "1000"}


@pytest.mark.slow
def test_another_file_that_cannot_be_written_is_named_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()

    answer = CliRunner().invoke(app, ["crds", "generate", "--out", "file/crds"])

    assert (answer.exit_code, answer.output) == (1, "error: [Errno 20] Not a directory: 'file/crds'\n")


@pytest.mark.parametrize(("text", "options", "code", "message"), WRONG_KUBECONFIGS)
def test_uninstall_says_in_a_line_what_is_wrong_with_a_kubeconfig(  # a table's columns
    text: str | None, options: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", "config")
    if text is not None:
        Path("config").write_text(text)

    answer = CliRunner().invoke(app, ["uninstall", *options])

    assert (answer.exit_code, answer.output.count("\n")) == (code, 1), answer.output
    assert answer.output.startswith("error: ")
    assert message in answer.output


@pytest.mark.slow
def test_what_contributors_need_says_so_and_what_it_wrote(tmp_path: Path) -> None:
    runner = CliRunner()
    said = runner.invoke(app, ["--help"], env=WIDE).output

    for command in ("crds", "docs"):
        written = runner.invoke(app, [command, "generate", "--out", str(tmp_path / command)]).output
        assert sorted(written.splitlines()) == sorted(f"wrote {path}" for path in (tmp_path / command).iterdir())
    assert said.count("For contributors: ") == 2


def test_the_help_of_stack_up_shows_its_examples_a_line_each() -> None:
    said = CliRunner().invoke(app, ["stack", "up", "--help"], env=WIDE).output

    examples = [line.strip() for line in said.splitlines() if line.strip().startswith("streamwarden stack ")]
    assert examples == [
        "streamwarden stack up                      one broker and the registry",
        "streamwarden stack up --brokers 3 --tls    one may be killed, and clients use TLS",
        "streamwarden stack up --kafka 3.9 --no-registry",
        "streamwarden stack status",
        "streamwarden stack down",
    ]


@pytest.mark.parametrize("arguments", [["dev", "."], ["watch", "--kafka", "pyproject.toml"], ["bypass", "a/b"]])
def test_an_installation_is_a_dns_label(arguments: list[str]) -> None:
    answer = CliRunner().invoke(app, [*arguments, "--installation", "a.b"], env=WIDE)

    assert answer.exit_code == ExitCode.USAGE
    assert "'a.b' is not a DNS label" in answer.output


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("inventory list", id="inventory-list"),
        pytest.param("audit verify --namespace risk", id="audit-verify"),
        pytest.param("gate skip risk/guard --partition 0 --to 1 --reason it-kills --dry-run", id="gate-skip"),
        pytest.param("watch", id="watch"),
    ],
)
def test_a_file_that_kafka_settings_name_and_that_is_not_there_is_told_by_its_name(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kafka.properties").write_text(
        "bootstrap.servers=127.0.0.1:9\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\n"
        "sasl.username=me\nsasl.password=sesame\nssl.ca.location=/absent/ca.pem\n"
    )

    answer = CliRunner().invoke(app, [*command.split(), "--kafka", "kafka.properties"], env=WIDE)

    said = "kafka.properties: ssl.ca.location: /absent/ca.pem cannot be read: No such file or directory"
    assert (answer.exit_code, said in answer.output, "sesame" in answer.output) == (2, True, False), answer.output
    assert [path.name for path in tmp_path.iterdir()] == ["kafka.properties"]
