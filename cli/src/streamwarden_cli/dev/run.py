"""Starts and stops one run: manifests first, then the lock, then the loop; Ctrl-C at any time."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from rich.console import Console
from streamwarden_contract.models import AgentDeployment
from streamwarden_devstack.stack import ConsoleReporter, StackError
from streamwarden_operator.errors import CannotGoOnError, LeadershipLostError, OperatorError

from streamwarden_cli.dev.loop import Loop
from streamwarden_cli.exit_codes import ExitCode
from streamwarden_cli.local.folder import admit_folder
from streamwarden_cli.local.state import StateError, StateFolder
from streamwarden_cli.session.interrupts import log_to, run_interruptibly, to_the_end
from streamwarden_cli.session.options import SessionError
from streamwarden_cli.session.screen import Screen, open_screen
from streamwarden_cli.session.session import Session, Timing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_contract.models.base import Kind

    from streamwarden_cli.dev.options import DevOptions
    from streamwarden_cli.local.admission import Admission


def run_dev(options: DevOptions) -> ExitCode:
    """Run until idle, Ctrl-C or a failure; returns the exit code."""
    started = time.monotonic()
    console, errors = Console(), Console(stderr=True)
    admission = admit_folder(options.folder)
    if not admission.resources and not admission.problems:
        errors.print(f"error: no manifests in {options.folder}", markup=False, highlight=False)
        return ExitCode.FAILED
    for problem in admission.problems:
        errors.print(str(problem), markup=False, highlight=False, soft_wrap=True)
    if admission.problems:
        errors.print("nothing was started", markup=False, highlight=False)
        return ExitCode.FAILED
    if unknown := sorted(options.pods.run_by_person - _agents(admission.resources)):
        errors.print(f"error: --external {'/'.join(unknown[0])}: no AgentDeployment of that name here", markup=False)
        return ExitCode.USAGE
    state = StateFolder(options.folder)
    os.umask(0o077)
    try:
        with state.locked():
            state.prepare()
            with (state.logs / "dev.log").open("a", encoding="utf-8") as log:
                log_to(log)
                return asyncio.run(_Run(options, state, console, started).run(admission))
    except StateError as error:
        errors.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        return ExitCode.FAILED


def _agents(resources: Sequence[Kind]) -> set[tuple[str, str]]:
    return {(r.metadata.namespace, r.metadata.name) for r in resources if isinstance(r, AgentDeployment)}


class _Run:
    def __init__(self, options: DevOptions, state: StateFolder, console: Console, started: float) -> None:
        self._options = options
        self._state = state
        self._console = console
        self._timing = Timing(started)

    async def run(self, admission: Admission) -> ExitCode:
        """Run; returns the exit code."""
        screen = open_screen(self._console)
        return await run_interruptibly(
            lambda: self._work(admission, screen), screen, (SessionError, StackError, OperatorError)
        )

    async def _work(self, admission: Admission, screen: Screen) -> None:
        loop = Loop(self._options, self._state, screen, ConsoleReporter(self._console))
        try:
            loop.warn(admission.warnings)
            screen.say("starting Kafka" + (" and the schema registry" if self._options.registry else ""))
            await loop.start(admission.resources)
            self._note_stack(loop, screen)
            await _unless_lost(Session(self._options, self._state, screen, loop, self._timing), loop)
        finally:
            screen.say("stopping")
            await to_the_end(loop.stop())

    def _note_stack(self, loop: Loop, screen: Screen) -> None:
        timing = self._timing
        timing.download_s = loop.stack.seconds["download"]
        timing.stack = timing.started + timing.download_s + loop.stack.seconds["kafka"]
        screen.say(f"Kafka answers at {loop.stack.bootstrap_servers} after {loop.stack.seconds['kafka']:.1f} s")
        if ignored := loop.cluster.ignored_pod_fields():
            screen.say(f"agents run as processes of this Python; dev ignores {', '.join(ignored)}")


async def _unless_lost(session: Session, loop: Loop) -> None:
    """Run the session, and give up once policies can be published no more: nothing here would take effect."""
    running, lost = asyncio.create_task(session.run()), asyncio.create_task(loop.lost())
    try:
        await asyncio.wait((running, lost), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            raise SessionError(why_lost(lost.result()))
        running.result()
    finally:
        for task in (running, lost):
            task.cancel()
        await asyncio.gather(running, lost, return_exceptions=True)


def why_lost(error: CannotGoOnError) -> str:
    """Say why nothing here would take effect any more, and what to do."""
    if isinstance(error, LeadershipLostError):
        return "another operator publishes this Kafka's policies now; only one can"
    return f"{error}. Start dev again"
