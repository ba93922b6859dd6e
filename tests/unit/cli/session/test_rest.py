"""When a loop is at rest, and what the screen says of agents and people outside."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from rich.console import Console
from streamwarden_cli.local.externals import Externals
from streamwarden_cli.local.state import StateFolder
from streamwarden_cli.session.lag import AgentReading, GroupReading, Reading, is_at_rest
from streamwarden_cli.session.programs import ProgramError, run_at_end
from streamwarden_cli.session.rows import Pace
from streamwarden_cli.session.screen import AgentRow, build_table
from streamwarden_kafka.connection import SCRAM_SHA_512, Connection
from streamwarden_operator.errors import KafkaUnavailableError
from streamwarden_operator.ports import PartitionOffsets
from typing_extensions import override


def partition(high: int, committed: int | None, *, low: int = 0, number: int = 0) -> PartitionOffsets:
    return PartitionOffsets(number, low, high, committed)


def reading(*, agent: PartitionOffsets, gate: PartitionOffsets) -> Reading:
    return (AgentReading("risk/guard", GroupReading((agent,)), GroupReading((gate,))),)


DONE = reading(agent=partition(9, 9), gate=partition(4, 4))


@pytest.mark.parametrize(
    ("readings", "at_rest"),
    [
        pytest.param([DONE, DONE], True, id="two-equal-readings-without-lag"),
        pytest.param([DONE], False, id="one-reading-may-have-missed-a-record"),
        pytest.param([reading(agent=partition(8, 8), gate=partition(4, 4)), DONE], False, id="something-moved"),
        pytest.param([reading(agent=partition(9, 9), gate=partition(5, 4))] * 2, False, id="a-gate-has-lag"),
        pytest.param([reading(agent=partition(9, None), gate=partition(4, 4))] * 2, False, id="unknown-is-not-zero"),
        pytest.param([(), ()], False, id="no-agents"),
    ],
)
def test_a_loop_is_at_rest(readings: list[Reading], *, at_rest: bool) -> None:
    assert is_at_rest(readings) is at_rest


def test_an_empty_partition_needs_no_commit() -> None:
    assert GroupReading((partition(7, None, low=7), partition(5, 3, number=1))).lag_records == 2


def test_the_pace_is_over_the_last_seconds() -> None:
    pace = Pace()

    assert pace.per_second("a", 0, 10.0) == 0.0
    assert pace.per_second("a", 50, 10.5) == 100.0
    pace.per_second("a", 50, 20.0)
    assert pace.per_second("a", 50, 23.0) == 0.0


def test_the_table_shows_unknown_as_a_question_mark() -> None:
    console = Console(width=200, force_terminal=False, no_color=True)
    with console.capture() as capture:
        console.print(build_table([AgentRow("risk/guard", ready=False, state="Crashing", gate_lag=3)]))

    assert capture.get().splitlines()[-1].split() == ["risk/guard", "Crashing", "?", "3", "0", "0", "0", "0", "?/?"]


def test_the_table_fits_eighty_columns() -> None:
    console = Console(width=80, force_terminal=False, no_color=True)
    row = AgentRow("web/page-blocker", ready=True, state="Ready", allowed=12345, p50_ms=13.6, p99_ms=178.0)
    with console.capture() as capture:
        console.print(build_table([row]))

    assert "web/page-blocker" in capture.get()
    assert "13.6/178" in capture.get()


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        pytest.param(200, 10, id="a-wide-terminal-has-every-column"),
        pytest.param(60, 8, id="x64-sixty-columns"),
        pytest.param(40, 5, id="x64-forty-columns"),
        pytest.param(10, 3, id="x64-less-than-the-least"),
    ],
)
def test_x64_a_narrow_terminal_has_fewer_columns_and_each_is_whole(width: int, columns: int) -> None:
    console = Console(width=max(width, 30), force_terminal=False, no_color=True)
    row = AgentRow("web/page-blocker", ready=True, state="Ready", lag=3, policies="careful@1 stricter-trial@12")
    with console.capture() as capture:
        console.print(build_table([row], width))

    lines = capture.get().splitlines()
    every = ["agent", "state", "lag", "gate", "dec/s", "allow", "deny", "dead", "p50/p99", "ms", "policies"]
    assert len(lines[0].replace("p50/p99 ms", "p50/p99").split()) == columns
    assert [word for word in lines[0].split() if word not in every] == []
    assert "web/page-blocker" in lines[1]
    assert "\N{HORIZONTAL ELLIPSIS}" not in capture.get()


class Users:
    """SCRAM users in memory."""

    def __init__(self) -> None:
        self.passwords: dict[str, str] = {}

    async def observe(self, _users: object = None) -> Mapping[str, frozenset[str]]:
        return {user: frozenset({SCRAM_SHA_512}) for user in self.passwords}

    async def upsert(self, user: str, password: str, mechanism: str = SCRAM_SHA_512) -> None:
        assert mechanism == SCRAM_SHA_512
        self.passwords[user] = password

    async def delete(self, user: str, mechanism: str = "") -> None:
        assert not mechanism
        self.passwords.pop(user, None)


class SlowUsers(Users):
    """Answers after some attempts."""

    def __init__(self, *, refusals: int) -> None:
        super().__init__()
        self._refusals = refusals

    @override
    async def upsert(self, user: str, password: str, mechanism: str = SCRAM_SHA_512) -> None:
        if self._refusals:
            self._refusals -= 1
            raise KafkaUnavailableError("Kafka is away")
        await super().upsert(user, password, mechanism)


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path)
    folder.root.mkdir()
    folder.prepare()
    return folder


async def test_outside_principals_have_users_as_long_as_contracts_name_them(state: StateFolder) -> None:
    users = Users()
    externals = Externals(state, users, Connection.scram("127.0.0.1:9092", "operator", "pw"))

    await externals.apply(frozenset({"sensors", "analysts"}))
    path = state.external / "sensors" / "client.properties"
    written = Connection.read(path)
    await externals.apply(frozenset({"sensors"}))

    assert set(users.passwords) == {"sensors"}
    assert written.password == users.passwords["sensors"]
    assert (written.username, path.stat().st_mode & 0o777) == ("sensors", 0o600)
    assert not (state.external / "analysts").exists()


async def test_outside_principals_wait_for_a_kafka_that_is_away_and_that_is_said_once(state: StateFolder) -> None:
    users = SlowUsers(refusals=3)
    said: list[str] = []
    externals = Externals(state, users, Connection.scram("127.0.0.1:9092", "operator", "pw"))

    await externals.settle(frozenset({"sensors"}), said.append, pause_s=0.0)

    assert set(users.passwords) == {"sensors"}
    assert said == ["users that contracts name in access are not all made yet: Kafka is away; it is tried again"]


@pytest.mark.slow
async def test_the_program_at_the_end_sees_the_run_and_its_json_is_taken(state: StateFolder) -> None:
    state.decisions.write_text('{"agent": "risk/guard"}\n')
    program = "import json, os, sys; print('noise', file=sys.stderr);"
    program += "print(json.dumps({'lines': len(open(os.environ['STREAMWARDEN_RUN']).readlines())}))"

    assert await run_at_end(f'python -W ignore -c "{program}"', state) == {"lines": 1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "message"),
    [
        pytest.param("python -c 'print([1])'", "must print one JSON object", id="another-value"),
        pytest.param("python -c 'print(1, 2)'", "must print one JSON object", id="no-json"),
        pytest.param("python -c 'import sys; sys.exit(3)'", "exit code 3", id="a-failure"),
        pytest.param("no-such-program-anywhere", "exit code 127", id="no-program"),
        pytest.param("'open quote", "is no command line", id="no-command-line"),
    ],
)
async def test_a_program_that_fails_at_the_end_says_so(command: str, message: str, state: StateFolder) -> None:
    with pytest.raises(ProgramError, match=message):
        await run_at_end(command, state)
