"""``make bench``: runs every benchmark, prints the figures beside their goals, and writes build/bench/NAME.json."""

from __future__ import annotations

import sys

import cluster
import dev
import engines
import failover
import gate
import harness
import in_force
import judge
import lag_poll
import many_agents
import rule_costs
import sdk
from rich.console import Console
from rich.table import Table

BENCHMARKS = {
    judge.NAME: judge.run,
    engines.NAME: engines.run,
    gate.NAME: gate.run,
    gate.NAME_OF_THREE: gate.run_on_three,
    in_force.NAME: in_force.run,
    lag_poll.NAME: lag_poll.run,
    cluster.NAME: cluster.run,
    many_agents.NAME: many_agents.run,
    failover.NAME: failover.run,
    sdk.NAME: sdk.run,
    dev.NAME: dev.run,
    rule_costs.NAME: rule_costs.run,
}


def main() -> None:
    """Run the benchmarks that are named on the command line, or all of them."""
    console = Console()
    machine = harness.describe_machine()
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), style="dim")
    for name in sys.argv[1:] or BENCHMARKS:
        with console.status(f"{name} ..."):
            result = BENCHMARKS[name]()
        path = result.write()
        console.print(_table(result))
        for note in result.notes:
            console.print(f"  {note}", style="dim")
        console.print(f"  {path.relative_to(harness.ROOT)}", style="dim")


def _table(result: harness.Result) -> Table:
    table = Table(title=result.name, title_justify="left")
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("goal", justify="right")
    table.add_column("")
    goals = {goal.figure: goal for goal in result.goals}
    for figure, value in result.figures.items():
        goal = goals.get(figure)
        said = f"{goal.relation} {goal.value:,g}" if goal else ""
        verdict = "" if goal is None else "[green]met" if goal.met(result.figures) else "[red]missed"
        table.add_row(figure, f"{value:,.10g}", said, verdict)
    return table


if __name__ == "__main__":
    main()
