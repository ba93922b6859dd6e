"""Commands in this process, and what several of them are tried with."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import structlog
from typer import testing
from typing_extensions import override

# typer builds an application's commands anew for each call, which takes longer than most calls.
testing._get_command = cache(testing._get_command)  # type: ignore[attr-defined]  # not exported


class CliRunner(testing.CliRunner):
    """Typer's, which leaves the logs of this process as they were: a command sets its own."""

    @override
    def invoke(self, *arguments: Any, **options: Any) -> testing.Result:
        try:
            return super().invoke(*arguments, **options)
        finally:
            structlog.reset_defaults()


KUBECONFIG = """apiVersion: v1
kind: Config
clusters: [{name: here, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: me, user: {}}]
contexts: [{name: here, context: {cluster: here, user: me}}]
current-context: here
"""

WRONG_KUBECONFIGS = [
    pytest.param(None, [], 2, "no kubeconfig at config. Set KUBECONFIG", id="that-is-missing"),
    pytest.param("{{{: nope", [], 2, "the kubeconfig config is not YAML", id="that-is-no-yaml"),
    pytest.param(KUBECONFIG, ["--context", "there"], 2, "object with name there", id="without-the-context"),
    pytest.param(KUBECONFIG, [], 1, "Cannot connect to host 127.0.0.1:9", id="that-leads-nowhere"),
]
