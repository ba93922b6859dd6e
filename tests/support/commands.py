"""Commands in this process, and what several of them are tried with."""

from __future__ import annotations

from functools import cache

import pytest
from typer import testing

# typer builds an application's commands anew for each call, which takes longer than most calls.
testing._get_command = cache(testing._get_command)  # type: ignore[attr-defined]  # not exported

CliRunner = testing.CliRunner

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
