"""Pods as processes: apart, restarted, and with nothing of their neighbours or of dev itself."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamwarden_cli.local.cluster import LocalCluster
from streamwarden_cli.local.local_secrets import LocalSecrets
from streamwarden_cli.local.pod_process import Backoff
from streamwarden_cli.local.pods import PodSettings
from streamwarden_cli.local.state import StateFolder
from streamwarden_contract.models.pod import PodFields
from streamwarden_operator.keys import Key
from streamwarden_operator.ports import Workload, WorkloadState

_SHOW = """
import json, os, time
print(json.dumps({**os.environ, "cwd": os.getcwd(), "pid": str(os.getpid())}))
time.sleep(300)
"""
SHOW_AND_WAIT = ("-c", _SHOW)
FAIL = ("-c", "import sys; print('cannot read the model', file=sys.stderr); sys.exit(3)")
_END_TOGETHER = """
import os, pathlib, signal, sys, time
name = os.environ["STREAMWARDEN_POD"]
def end(*_):
    pathlib.Path(f"told-{name}").touch()
    while not all(pathlib.Path(f"told-{other}-0").exists() for other in ("guard", "watch")):
        time.sleep(0.01)
    pathlib.Path(f"ended-{name}").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("{}", flush=True)
time.sleep(300)
"""
WORKLOAD = Workload(
    namespace="risk",
    agent="guard",
    uid="u",
    image="any",
    pod=PodFields.model_validate(
        {
            "env": [
                {"name": "THRESHOLD", "value": "3"},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "a", "key": "k"}}},
            ]
        }
    ),
    agent_config='{"role": "agent"}',
    gate_config='{"role": "gate"}',
    formats='{"decision": 2}',
    agent_secret="guard.agent",
    gate_secret="guard.gate",
    public_keys="{}",
    spec_hash="1",
)


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path)
    folder.root.mkdir()
    folder.prepare()
    return folder


@pytest.fixture
async def made(state: StateFolder) -> AsyncIterator[Callable[..., LocalCluster]]:
    clusters: list[LocalCluster] = []

    def make(**settings: object) -> LocalCluster:
        chosen = {"agent_command": SHOW_AND_WAIT, "gate_command": SHOW_AND_WAIT, **settings}
        chosen = {"agent_grace_s": 2, "gate_grace_s": 2, **chosen}
        clusters.append(LocalCluster(state, PodSettings(**chosen)))  # type: ignore[arg-type]
        return clusters[-1]

    yield make
    for cluster in clusters:
        await cluster.stop()


async def shown(state: StateFolder, role: str, starts: int = 1) -> dict[str, str]:
    """Wait until the process was started so often; return what it saw the last time."""
    log = state.logs / f"risk.guard.{role}.log"
    async with asyncio.timeout(20):
        while not log.exists() or log.read_text().count("\n") < starts:  # noqa: ASYNC110  # a file gives no signal
            await asyncio.sleep(0.01)
    seen: dict[str, str] = json.loads(log.read_text().splitlines()[-1])
    return seen


def alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


async def test_agent_and_gate_run_apart_with_their_own_mounts(
    made: Callable[..., LocalCluster], state: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMWARDEN_OPERATOR_PASSWORD", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")

    result = await made().apply_workload(WORKLOAD)

    agent, gate = await shown(state, "agent"), await shown(state, "gate")
    assert result == WorkloadState(replicas=1)
    assert agent["pid"] != gate["pid"]
    project = str(state.project)
    assert agent["THRESHOLD"] == "3"
    assert (agent["cwd"], agent["PYTHONPATH"], agent["STREAMWARDEN_POD"]) == (project, project, "guard-0")
    assert agent["STREAMWARDEN_CREDENTIALS"] == str(state.secrets / "risk" / "guard.agent")
    assert gate["STREAMWARDEN_CREDENTIALS"] == str(state.secrets / "risk" / "guard.gate")
    assert (Path(agent["STREAMWARDEN_CONFIG"]) / "agent.json").read_text() == '{"role": "agent"}'
    assert (Path(gate["STREAMWARDEN_CONFIG"]) / "gate.json").read_text() == '{"role": "gate"}'
    allowed = {"PATH", "HOME", "LANG", "LC_CTYPE", "TMPDIR", "SSL_CERT_FILE", "cwd", "pid"}
    python = {"PYTHONSAFEPATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    ours = {"STREAMWARDEN_CONFIG", "STREAMWARDEN_CREDENTIALS", "STREAMWARDEN_POD"}
    assert set(gate) <= allowed | python | ours | {"STREAMWARDEN_GATE_MEMORY_LIMIT"}
    assert set(agent) <= allowed | python | ours | {"THRESHOLD", "PYTHONPATH", "STREAMWARDEN_READY_FILE"}


async def test_a_pod_is_ready_from_when_its_agent_says_so_until_it_ends(
    made: Callable[..., LocalCluster], state: StateFolder
) -> None:
    cluster = made(backoff=Backoff(first_s=0.01))
    woken: list[Key] = []
    cluster.on_changed = woken.append
    assert (await cluster.apply_workload(WORKLOAD)).ready == 0
    agent = await shown(state, "agent")
    assert woken == []

    Path(agent["STREAMWARDEN_READY_FILE"]).touch()  # noqa: ASYNC240  # an empty file
    async with asyncio.timeout(20):
        while (await cluster.apply_workload(WORKLOAD)).ready != 1:  # noqa: ASYNC110  # a state, asked for
            await asyncio.sleep(0.01)
    assert set(woken) == {Key("AgentDeployment", "risk", "guard")}

    os.kill(int(agent["pid"]), 9)
    await shown(state, "agent", starts=2)
    assert (await cluster.apply_workload(WORKLOAD)).ready == 0


async def test_unchanged_pods_are_left_alone_and_a_new_hash_replaces_them(
    made: Callable[..., LocalCluster], state: StateFolder
) -> None:
    cluster = made()
    await cluster.apply_workload(WORKLOAD)
    first = await shown(state, "agent")
    async with asyncio.timeout(20):
        while not cluster.pids("risk", "guard")[0]:  # noqa: ASYNC110  # it may speak before its start has returned
            await asyncio.sleep(0.01)

    await cluster.apply_workload(replace(WORKLOAD, public_keys='{"k": "v"}'))
    assert cluster.pids("risk", "guard")[0] == [int(first["pid"])]
    assert (Path((await shown(state, "gate"))["STREAMWARDEN_CONFIG"]) / "public-keys.json").read_text() == '{"k": "v"}'

    await cluster.apply_workload(replace(WORKLOAD, spec_hash="2", agent_config="{}"))
    second = await shown(state, "agent", starts=2)
    assert second["pid"] != first["pid"]
    assert not alive(first["pid"])


async def test_x28_an_agent_has_the_variables_and_secrets_of_the_person_and_its_gate_has_not(
    made: Callable[..., LocalCluster], state: StateFolder
) -> None:
    given = {"MODEL": "small", "THRESHOLD": "5", "STREAMWARDEN_POD": "mine"}
    cluster = made(env=given, secrets=LocalSecrets({("risk", "a"): {"k": "tell-nobody"}}))

    await cluster.apply_workload(WORKLOAD)

    agent, gate = await shown(state, "agent"), await shown(state, "gate")
    assert (agent["MODEL"], agent["THRESHOLD"], agent["TOKEN"]) == ("small", "5", "tell-nobody")
    assert agent["STREAMWARDEN_POD"] == gate["STREAMWARDEN_POD"] == "guard-0"
    assert {"MODEL", "THRESHOLD", "TOKEN"} & set(gate) == set()
    # The agent of this test writes its environment into its log; nothing else of ours may have it.
    files = [path for path in state.root.rglob("*") if path.is_file() and path != state.logs / "risk.guard.agent.log"]
    assert [path for path in files if b"tell-nobody" in path.read_bytes()] == []


async def test_x28_an_agent_whose_secret_nobody_gave_says_so_and_does_not_start(
    made: Callable[..., LocalCluster], state: StateFolder
) -> None:
    result = await made(secrets=LocalSecrets()).apply_workload(WORKLOAD)

    await shown(state, "gate")
    why = "spec.env[1].valueFrom.secretKeyRef: no key 'k' of a Secret risk/a in what --secrets names"
    assert (result.ready, result.crashing) == (0, why)
    assert not (state.logs / "risk.guard.agent.log").exists()


async def test_x29_a_restarted_agent_is_a_new_process_and_its_gate_goes_on(
    made: Callable[..., LocalCluster], state: StateFolder
) -> None:
    cluster = made()
    await cluster.apply_workload(WORKLOAD)
    first, gate = await shown(state, "agent"), await shown(state, "gate")

    await cluster.restart_agent("risk", "guard")
    second = await shown(state, "agent", starts=2)

    assert not alive(first["pid"])
    async with asyncio.timeout(20):  # a child may speak before its supervisor has told its pid
        while cluster.pids("risk", "guard") != ([int(second["pid"])], [int(gate["pid"])]):  # noqa: ASYNC110  # a state
            await asyncio.sleep(0.01)
    assert {**second, "pid": ""} == {**first, "pid": ""}
    await cluster.restart_agent("risk", "nobody")


async def test_x29_an_agent_that_a_person_runs_is_theirs_to_start_and_counts_when_it_is_ready(
    made: Callable[..., LocalCluster], state: StateFolder
) -> None:
    said: list[tuple[str, str]] = []
    cluster = made(run_by_person=frozenset({("risk", "guard")}), secrets=LocalSecrets({("risk", "a"): {"k": "hidden"}}))
    cluster.on_event = lambda key, reason, message, _warning: said.append((f"{key} {reason}", message))

    for _ in range(2):
        result = await cluster.apply_workload(WORKLOAD)

    file = state.agent_env("risk", "guard")
    assert [who for who, _ in said] == ["AgentDeployment risk/guard RunByYou"]
    assert f"set -a; . {file}; python " in said[0][1]
    assert (result, cluster.pids("risk", "guard")[0]) == (WorkloadState(replicas=1), [])
    assert (file.stat().st_mode & 0o777, "hidden" in file.read_text()) == (0o600, False)

    program = 'touch "$STREAMWARDEN_READY_FILE"; cat "$STREAMWARDEN_CONFIG/agent.json"; echo " $THRESHOLD"'
    process = await asyncio.create_subprocess_shell(
        f"set -a; . {file}; {program}",
        stdout=asyncio.subprocess.PIPE,
    )
    assert (await process.communicate())[0] == b'{"role": "agent"} 3\n'
    async with asyncio.timeout(20):
        while (await cluster.apply_workload(WORKLOAD)).ready != 1:  # noqa: ASYNC110  # a state, asked for
            await asyncio.sleep(0.01)
    await cluster.apply_workload(replace(WORKLOAD, spec_hash="2"))
    assert len(said) == 2


async def test_a_process_that_ends_is_started_again_and_its_last_lines_are_shown(
    made: Callable[..., LocalCluster], state: StateFolder
) -> None:
    cluster = made(agent_command=FAIL, backoff=Backoff(first_s=0.01, cap_s=0.02))
    woken: list[Key] = []
    cluster.on_changed = woken.append
    await cluster.apply_workload(WORKLOAD)

    log = state.logs / "risk.guard.agent.log"
    async with asyncio.timeout(20):
        while not log.exists() or log.read_text().count("cannot read the model") < 3:  # noqa: ASYNC110  # a file gives no signal
            await asyncio.sleep(0.01)

    crashing = (await cluster.apply_workload(WORKLOAD)).crashing
    assert "agent of risk/guard ended with exit code 3" in crashing
    assert "cannot read the model" in crashing
    assert set(woken) == {Key("AgentDeployment", "risk", "guard")}


async def test_a_restart_that_lasts_is_no_longer_called_crashing(
    made: Callable[..., LocalCluster], state: StateFolder
) -> None:
    cluster = made(backoff=Backoff(first_s=0.01, settled_after_s=0.05))
    await cluster.apply_workload(WORKLOAD)
    first = await shown(state, "gate")
    os.kill(int(first["pid"]), 9)
    await shown(state, "gate", starts=2)

    async with asyncio.timeout(20):
        while (await cluster.apply_workload(WORKLOAD)).crashing:  # noqa: ASYNC110  # a state, asked for
            await asyncio.sleep(0.01)
    assert cluster.pids("risk", "guard")[1] != [int(first["pid"])]


async def test_stopping_leaves_no_process(made: Callable[..., LocalCluster], state: StateFolder) -> None:
    cluster = made()
    await cluster.apply_workload(WORKLOAD)
    pids = [(await shown(state, role))["pid"] for role in ("agent", "gate")]

    await cluster.stop()

    assert [pid for pid in pids if alive(pid)] == []


async def test_fewer_replicas_end_the_highest_ordinals(made: Callable[..., LocalCluster], state: StateFolder) -> None:
    cluster = made()
    assert (await cluster.apply_workload(replace(WORKLOAD, replicas=2))).replicas == 2
    await shown(state, "agent", starts=2)
    log = state.logs / "risk.guard.agent.log"
    pods = {seen["STREAMWARDEN_POD"]: int(seen["pid"]) for seen in map(json.loads, log.read_text().splitlines())}

    assert (await cluster.apply_workload(WORKLOAD)).replicas == 1
    assert set(pods) == {"guard-0", "guard-1"}
    assert cluster.pids("risk", "guard")[0] == [pods["guard-0"]]


@pytest.mark.parametrize(("failures", "delay_s"), [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (1_000_000, 30)])
def test_waits_double_up_to_the_cap(failures: int, delay_s: float) -> None:
    assert Backoff().delay_s(failures) == delay_s


async def test_all_agents_are_told_to_end_at_once_so_that_none_waits_for_another(
    made: Callable[..., LocalCluster], state: StateFolder
) -> None:
    cluster = made(agent_command=("-c", _END_TOGETHER), agent_grace_s=60)
    for agent in ("guard", "watch"):
        await cluster.apply_workload(replace(WORKLOAD, agent=agent))
    async with asyncio.timeout(60):
        logs = [state.logs / f"risk.{agent}.agent.log" for agent in ("guard", "watch")]
        while not all(log.exists() and log.read_text() for log in logs):  # noqa: ASYNC110  # a file gives no signal
            await asyncio.sleep(0.01)

    await cluster.stop()

    assert sorted(path.name for path in state.project.glob("ended-*")) == ["ended-guard-0", "ended-watch-0"]
