"""The same 20 rules by three engines: this one's, OPA's server over HTTP, and AGT's evaluator.

Rules alone, of decisions that all allow; wall time of single answers. OPA is built from its Go module as the devstack
builds its programs, and asked over one connection that is kept; AGT is installed into a folder of its own under
``build/`` and asked in its own process, without HTTP. Five of the rules have two conditions: AGT's rules have one each,
so that it has 25; and it is told what to deny, where the others are told what must hold.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import FOLDER, ROOT, Figures, Result, percentile
from judge import active_set, plain_decisions
from streamwarden_contract.events import time_of
from streamwarden_devstack.cache import cache_folder
from streamwarden_devstack.cluster.go_programs import Binary, content_key, ensure_built
from streamwarden_devstack.cluster.reporting import QuietReporter
from streamwarden_devstack.ports import LOOPBACK, free_ports
from streamwarden_judging.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAME = "engines"
ROUNDS = 30
AGT = "agent-governance-toolkit-core==5.0.0"
_OPA = Binary("opa", Path(__file__).with_name("opa"), "github.com/open-policy-agent/opa", env={"CGO_ENABLED": "0"})
_START_S = 20.0
Decision = dict[str, Any]


def run() -> Result:
    """Ask each of them about the same decisions."""
    decisions: list[Decision] = plain_decisions()
    figures: Figures = {}
    for name, measured in (("streamwarden", _streamwarden), ("opa_server", _opa), ("agt", _agt)):
        found = measured(decisions)
        figures[f"{name}_p50_us"] = round(percentile(found, 0.5), 1)
        figures[f"{name}_p99_us"] = round(percentile(found, 0.99), 1)
    notes = ("rules alone, wall time of single answers", f"OPA over one kept connection; {AGT} with 25 rules")
    return Result(NAME, figures, notes=notes)


def _streamwarden(decisions: Sequence[Decision]) -> list[float]:
    active = active_set()
    typed = {name: target.typed for name, target in active.targets.items() if target.typed is not None}
    engine = Engine(active.policies, active.agent_facts, typed)

    def ask(decision: Decision) -> bool:
        return engine.judge("block", decision, time_of(time.time_ns() // 1_000_000)).effect == "Allow"

    return _asked(ask, decisions)


def _asked(ask: Callable[[Decision], bool], decisions: Sequence[Decision]) -> list[float]:
    """Return microseconds; all must be allowed, and what falls below a threshold denied."""
    found: list[float] = []
    for _ in range(ROUNDS):
        for decision in decisions:
            began = time.perf_counter_ns()
            allowed = ask(decision)
            found.append((time.perf_counter_ns() - began) / 1_000)
            assert allowed
    assert not ask({**decisions[0], "confidence": 0.05})
    return found


def _rego() -> str:
    lines = ["package streamwarden", "default allow := false", "allow if {"]
    for number in range(5):
        lines += [
            f"  input.decision.confidence >= 0.{number + 1}",
            f"  input.decision.parameters.number < {10_000_000 + number}",
            f'  startswith(input.decision.entity, "page-"); count(input.decision.entity) < {200 + number}',
            f'  input.agent.labels.role == "test"; input.decision.type != "never-{number}"',
        ]
    return "\n".join([*lines, "}"])


def _opa(decisions: Sequence[Decision]) -> list[float]:
    cache = cache_folder()
    program = cache / "bench" / content_key([_OPA])
    ensure_built([_OPA], program, cache, QuietReporter())
    FOLDER.mkdir(parents=True, exist_ok=True)
    policy = FOLDER / "rules.rego"
    policy.write_text(_rego())
    [port] = free_ports(1)
    command = [str(program / "opa"), "run", "--server", "--addr", f"{LOOPBACK}:{port}", "--log-level", "error"]
    server = subprocess.Popen([*command, "--skip-version-check", str(policy)])
    agent = active_set().agent_facts
    try:
        connection = _connected(port)

        def ask(decision: Decision) -> bool:
            body = json.dumps({"input": {"decision": decision, "agent": agent}})
            connection.request("POST", "/v1/data/streamwarden/allow", body, {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read()).get("result") is True

        return _asked(ask, decisions)
    finally:
        server.terminate()
        server.wait(10)


def _connected(port: int) -> HTTPConnection:
    deadline = time.monotonic() + _START_S
    while True:
        connection = HTTPConnection(LOOPBACK, port, timeout=5)
        try:
            connection.request("GET", "/health")
            connection.getresponse().read()
        except OSError:
            assert time.monotonic() < deadline, "OPA did not come up"
            time.sleep(0.05)
        else:
            return connection


def _agt(decisions: Sequence[Decision]) -> list[float]:
    python = FOLDER / "agt" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", FOLDER / "agt"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", AGT], check=True)
    rules = [
        {"name": f"{field}-{number}", "condition": condition | {"field": field}, "action": "deny"}
        for number in range(5)
        for field, condition in (
            ("confidence", {"operator": "lt", "value": float(f"0.{number + 1}")}),
            ("number", {"operator": "gte", "value": 10_000_000 + number}),
            ("entity", {"operator": "matches", "value": f"^(?!page-)|^.{{{200 + number}}}"}),
            ("role", {"operator": "ne", "value": "test"}),
            ("type", {"operator": "eq", "value": f"never-{number}"}),
        )
    ]
    contexts = [
        {
            "confidence": each["confidence"],
            "number": each["parameters"]["number"],
            "entity": each["entity"],
            "role": "test",
            "type": each["type"],
        }
        for each in decisions
    ]
    policy = {"name": "confident", "rules": rules, "defaults": {"action": "allow"}}
    given = json.dumps({"policy": policy, "contexts": contexts, "rounds": ROUNDS})
    script = ROOT / "benchmarks" / "agt_rules.py"
    done = subprocess.run([python, script], input=given, capture_output=True, text=True, check=True)
    found: list[float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(run().write().read_text())
