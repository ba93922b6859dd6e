"""What docs/devstack.md shows of ``streamwarden stack`` is what the command writes for such a stack."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamwarden_cli.commands.stack import _report
from streamwarden_devstack.stack.background import Background, State
from streamwarden_devstack.stack.health import Health

PAGE = (Path(__file__).parents[4] / "docs" / "devstack.md").read_text(encoding="utf-8")
FOLDER = Path(".streamwarden/stack")
ONE = State("ready", True, "127.0.0.1:23330", "http://127.0.0.1:22333/apis/ccompat/v7")
THREE = State(
    "ready",
    registry=False,
    bootstrap_servers="127.0.0.1:16218,127.0.0.1:27208,127.0.0.1:16702",
    plain_bootstrap_servers="127.0.0.1:16070,127.0.0.1:26823,127.0.0.1:17051",
    brokers=3,
)


def shown(command: str) -> list[str]:
    """Return each answer that the page shows to a command, in order."""
    blocks = "".join(re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    return re.findall(rf"^\$ {re.escape(command)}\n((?:[^$].*\n)+)", blocks, re.MULTILINE)


@pytest.mark.parametrize(
    ("command", "state"),
    [
        pytest.param("streamwarden stack up", ONE, id="one-broker"),
        pytest.param("streamwarden stack up --brokers 3 --tls --no-registry", THREE, id="three-brokers-with-tls"),
    ],
)
def test_what_a_start_says(command: str, state: State, capsys: pytest.CaptureFixture[str]) -> None:
    _report(Background(FOLDER), state)

    assert shown(command) == [capsys.readouterr().out]


def test_what_the_status_says() -> None:
    said = [
        Health(
            1,
            state.bootstrap_servers,
            state.registry_url,
            kafka=True,
            registry=state.registry or None,
            brokers=dict.fromkeys(state.bootstrap_servers.split(","), True),
        ).describe()
        for state in (ONE, THREE)
    ]

    assert shown("streamwarden stack status") == [f"{lines}\n" for lines in said]
