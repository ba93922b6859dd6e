"""One run of a loop, in ``dev`` or in a cluster: producers, rest, what is tried at the end, and the report."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from streamwarden_contract.names import AgentNames
from streamwarden_operator.errors import OperatorError

from streamwarden_cli.bypass.attempts import Answer, all_refused, build_attempts, run_attempts
from streamwarden_cli.session import closing
from streamwarden_cli.session.interrupts import told
from streamwarden_cli.session.lag import Reading, is_at_rest, read_lags
from streamwarden_cli.session.options import SessionError, SessionOptions
from streamwarden_cli.session.programs import Program, ProgramError, run_at_end, start_program
from streamwarden_cli.session.report import Extras, Seconds, build_report
from streamwarden_cli.session.rows import Pace, build_rows, halted_gates
from streamwarden_cli.session.targets import find_target

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streamwarden_contract.models import AgentDeployment, TopicContract
    from streamwarden_kafka.connection import Connection
    from streamwarden_operator.ports import Offsets

    from streamwarden_cli.local.running import Role
    from streamwarden_cli.local.state import StateFolder
    from streamwarden_cli.session.recorder import Recorder
    from streamwarden_cli.session.roles import TopicRoles
    from streamwarden_cli.session.screen import AgentRow, Screen
    from streamwarden_cli.session.tally import Tally

_LOOK_S = 0.5
_DRAIN_TIMEOUT_S = 60.0
"""A batch that clients cannot parse is suspected after 20 s."""


class RunningLoop(Protocol):
    """A loop that runs, wherever: what a session needs of it."""

    roles: TopicRoles

    @property
    def recorder(self) -> Recorder: ...

    @property
    def offsets(self) -> Offsets: ...

    async def agents_ready(self) -> None:
        """Wait until every AgentDeployment is Ready."""
        ...

    def agents(self) -> Sequence[AgentDeployment]: ...

    def contracts(self) -> Sequence[TopicContract]: ...

    def policy_revisions(self) -> Mapping[str, int]:
        """Return the published revision of every policy, by ``namespace/name``."""
        ...

    async def pod_connection(self, namespace: str, agent: str, role: Role) -> Connection:
        """Return the client configuration of an agent or its gate."""
        ...


@dataclass(slots=True)
class Timing:
    """Moments on the monotonic clock."""

    started: float
    stack: float | None = None
    ready: float | None = None
    download_s: float = 0.0


@dataclass(slots=True)
class Findings:
    """What is learnt at the end of a run."""

    bypass: dict[str, list[Answer]] = field(default_factory=dict)
    at_end: dict[str, Any] = field(default_factory=dict)


class Session:
    """Drives a started loop: producers, live figures, rest, the end's program, the report."""

    def __init__(
        self, options: SessionOptions, state: StateFolder, screen: Screen, loop: RunningLoop, timing: Timing
    ) -> None:
        self._options = options
        self._state = state
        self._screen = screen
        self._loop = loop
        self._timing = timing
        self._programs: list[Program] = []
        self._readings: deque[Reading] = deque(maxlen=2)
        self._pace = Pace()
        self._findings = Findings()
        self._recorder_failed = False
        """Whether that was said."""
        self._unreported = False
        """Whether the report could not be written."""

    async def run(self) -> None:
        """Run until idle, or until cancelled where that was not asked for.

        Raises:
            SessionError: the run has failed.
        """
        figures = asyncio.create_task(self._show_figures())
        try:
            async with asyncio.timeout(self._options.timeout_s):
                await self._loop.agents_ready()
                self._timing.ready = time.monotonic()
                self._screen.say(f"all agents are ready after {self._since_start(self._timing.ready):.1f} s")
                await self._start_producers()
                if self._options.until_idle:
                    await self._rest()
            if not self._options.until_idle:
                await asyncio.Event().wait()
            await self._finish()
        except TimeoutError as error:
            raise SessionError(self._overdue()) from error
        except ProgramError as error:
            raise SessionError(str(error)) from error
        finally:
            figures.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await figures
            self._tell_failures()
            for line in self._loop.recorder.look(lambda tally: [*tally.rule_failures.lines(), *tally.skips.lines()]):
                self._screen.say(line, problem=True)
            for agent, why in sorted(halted_gates(self._loop.agents()).items()):
                self._screen.say(f"{agent} is halted: {why}", problem=True)
            await told("producers", asyncio.gather(*(program.child.stop() for program in self._programs)), self._screen)
            self._close()
        if self._unreported:
            raise SessionError("the run has ended well, but for its report")

    def _close(self) -> None:
        """Write the report where one was asked for; show it where none was, or where it cannot be written."""
        figures = self._loop.recorder.look(self._report)
        if (file := self._options.report) is not None:
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", "utf-8")
            except OSError as error:
                self._unreported = True
                self._screen.say(f"the report cannot be written: {file}: {error.strerror}", problem=True)
            else:
                self._screen.say(f"report: {file}")
                return
        if closing.is_worth_showing(figures):
            self._screen.end_with(closing.render(figures))

    async def _start_producers(self) -> None:
        for number, text in enumerate(self._options.producers, start=1):
            self._programs.append(await start_program(text, self._state, f"with-{number}"))
            self._screen.say(f"started: {text}")

    async def _rest(self) -> None:
        """Wait until the producers have ended well and nothing is left to do."""
        for program in self._programs:
            await program.child.wait()
            if failure := program.failure():
                raise SessionError(failure)
            self._screen.say(f"ended: {program.text}")
        self._readings.clear()
        while not is_at_rest(self._readings):
            self._check_recorder()
            await asyncio.sleep(_LOOK_S)
        if not await asyncio.to_thread(self._loop.recorder.drain, _DRAIN_TIMEOUT_S):
            self._check_recorder()
            raise SessionError(f"the records could not be read to their end in {_DRAIN_TIMEOUT_S:.0f} s")
        self._screen.say("idle: the producers have ended, and no agent or gate has anything left")

    def _check_recorder(self) -> None:
        if why := self._loop.recorder.failed:
            raise SessionError(f"the recorder has failed: {why}")

    async def _finish(self) -> None:
        if self._options.at_end:
            self._findings.at_end = await run_at_end(self._options.at_end, self._state)
        if self._options.attempt_bypass:
            await self._attempt_bypass()
        if self._options.keep:
            self._screen.say("kept running; Ctrl-C stops it")
            await asyncio.Event().wait()

    async def _attempt_bypass(self) -> None:
        agents = self._loop.agents()
        for agent in agents:
            namespace, name = agent.metadata.namespace, agent.metadata.name
            target = find_target(namespace, name, agents, self._loop.contracts(), self._options.installation)
            connection = await self._loop.pod_connection(namespace, name, "agent")
            answers = await asyncio.to_thread(run_attempts, build_attempts(target), connection)
            self._findings.bypass[f"{namespace}/{name}"] = answers
            refused = sum(answer.refused for answer in answers)
            self._screen.say(
                f"{AgentNames(namespace, name).agent_principal} tried {len(answers)} ways round its gate: "
                f"{refused} refused by the broker",
                problem=not all_refused(answers),
            )
            for answer in answers:
                if not answer.refused:
                    self._screen.say(f"NOT REFUSED: {answer.attempt}: {answer.code}", problem=True)

    async def _show_figures(self) -> None:
        while True:
            # Kafka may be starting again: the last figures stand until it answers.
            with contextlib.suppress(OperatorError):
                self._readings.append(await read_lags(self._loop.offsets, self._loop.roles.agents))
            self._tell_failures()
            self._screen.show(self._loop.recorder.look(self._rows_now))
            await asyncio.sleep(_LOOK_S)

    def _tell_failures(self) -> None:
        for line in self._loop.recorder.look(_news):
            self._screen.say(line, problem=True)
        why = self._loop.recorder.failed
        if why and not self._recorder_failed:
            self._recorder_failed = True
            self._screen.say(f"the recorder has failed, and nothing is counted any more: {why}", problem=True)

    def _report(self, tally: Tally) -> dict[str, Any]:
        timing = self._timing
        seconds = Seconds(
            stack=self._since_start(timing.stack),
            download=timing.download_s,
            ready=self._since_start(timing.ready),
            first_command=self._since_start(tally.first_command_s),
            total=time.monotonic() - timing.started,
        )
        findings = self._findings
        halted = halted_gates(self._loop.agents())
        extras = Extras(seconds, findings.bypass, self._loop.policy_revisions(), findings.at_end, halted)
        return build_report(tally, extras)

    def _since_start(self, moment: float | None) -> float | None:
        return None if moment is None else moment - self._timing.started - self._timing.download_s

    def _overdue(self) -> str:
        waiting = [row.agent for row in self._loop.recorder.look(self._rows_now) if not row.ready]
        what = f"not ready: {', '.join(waiting)}" if waiting else "the loop has not come to rest"
        return f"not done after {self._options.timeout_s:g} s: {what}"

    def _rows_now(self, tally: Tally) -> list[AgentRow]:
        return build_rows(self._loop.agents(), self._readings, tally, self._pace, time.monotonic())


def _news(tally: Tally) -> list[str]:
    told = (tally.failures, tally.dead_letters, tally.rule_failures, tally.skips)
    return [line for each in told for line in each.news()]
