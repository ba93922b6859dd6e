"""The whole loop without IPv4 between its parts: operator, agent, gate and recorder on a Kafka at ``::1`` alone."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.dev_process import DevProcess

ON_IPV6 = """
from functools import partial
from streamwarden_cli.dev import loop
from streamwarden_cli.__main__ import main

loop.Stack = partial(loop.Stack, address="::1")
main()
"""


@pytest.mark.long
def test_what_an_agent_decides_becomes_commands_over_ipv6_alone(
    tiny: Path, start_dev: Callable[..., DevProcess]
) -> None:
    report = tiny / "report.json"
    dev = start_dev(
        tiny,
        "--no-registry",
        "--until-idle",
        *("--with", "python sensors.py 40 20 0"),
        *("--report", str(report)),
        *("--timeout", "120"),
        command=(sys.executable, "-c", ON_IPV6),
    )
    dev.wait_for(r"Kafka answers at \[::1\]:\d+ after")

    assert dev.wait() == 0, dev.output
    figures = json.loads(report.read_text())
    assert (figures["events"], figures["decisions"], figures["dead_letters"]) == (20, 20, 0)
    assert (figures["verdicts"]["Allow"], figures["verdicts"]["Deny"], figures["commands"]) == (10, 10, 10)
