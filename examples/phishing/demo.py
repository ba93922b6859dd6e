"""Runs the example from beginning to end with ``streamwarden dev``, then says what happened, from the run's report."""

import argparse
import json
import shlex
import subprocess
import sys
from pathlib import Path

from closing import problems, render
from pages import PAGES
from rich.console import Console
from rich.markup import escape

FOLDER = Path(__file__).resolve().parent
PLAIN_WIDTH = 120

NEXT = """
[bold]To look closer[/bold]
These figures as JSON   {report}
Logs of this run        {folder}/.streamwarden/logs/
Run it yourself         cd {folder} && streamwarden dev . --with 'python producer.py'
  then edit policies.yaml: the screen says when every gate has the new revision in force,
  or take the agent's place with any Kafka tool, from another terminal in the same folder:
                        streamwarden credentials web/page-guard --as agent --format java"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", type=Path, default=Path("build/demo.json"), help="where the figures go, as JSON")
    parser.add_argument("--pages", type=int, default=PAGES, help="how many pages, from the first one on")
    parser.add_argument("--rate", type=float, default=50, help="pages a second")
    arguments = parser.parse_args()
    report = arguments.report.resolve()
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    if code := run(report, arguments.pages, arguments.rate):
        sys.exit(code)
    figures = json.loads(report.read_text())
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PLAIN_WIDTH)
    console.print(render(figures))
    console.print(NEXT.format(report=shown(report), folder=shown(FOLDER)), soft_wrap=True)
    if found := problems(figures):
        sys.exit(f"\nThis run does not show what it should: {'; '.join(found)}.")


def run(report: Path, pages: int, rate: float) -> int:
    """Run the loop until it is idle; return the exit code of ``streamwarden dev``."""
    python = shlex.quote(sys.executable)
    command = ["streamwarden", "dev", str(FOLDER), "--until-idle", "--attempt-bypass", "--report", str(report)]
    command += ["--with", f"{python} producer.py --pages {pages} --rate {rate}"]
    command += ["--at-end", f"{python} score.py --pages {pages}"]
    try:
        return subprocess.run(command, check=False).returncode
    except KeyboardInterrupt:
        return 130  # dev got the same Ctrl-C, and has cleaned up


def shown(path: Path) -> str:
    here = Path.cwd()
    return escape(str(path.relative_to(here) if here in path.parents else path))


if __name__ == "__main__":
    main()
