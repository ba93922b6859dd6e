import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

Load = Callable[[str], ModuleType]
Run = Callable[[dict[str, Any] | None], int | str | None]

STAND_IN = """#!{python}
import json, pathlib, sys
from typing import Any
pathlib.Path({arguments!r}).write_text(json.dumps(sys.argv[1:]))
if {report!r} is None:
    sys.exit(7)
pathlib.Path(sys.argv[sys.argv.index("--report") + 1]).write_text({report!r})
"""


@pytest.fixture
def run(load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run the demo with a stand-in for ``streamwarden`` that writes this report, or fails with 7 without one."""

    def demo(report: dict[str, Any] | None) -> int | str | None:
        command = tmp_path / "streamwarden"
        text = None if report is None else json.dumps(report)
        arguments = str(tmp_path / "arguments.json")
        command.write_text(STAND_IN.format(python=sys.executable, arguments=arguments, report=text))
        command.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "argv", ["demo.py", "--report", str(tmp_path / "build" / "demo.json")])
        try:
            load("demo").main()
        except SystemExit as exit_:
            return exit_.code
        return None

    return demo


def test_the_demo_runs_the_folder_and_prints_its_figures(
    run: Run, report: dict[str, Any], tmp_path: Path, example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(report) is None
    arguments = json.loads((tmp_path / "arguments.json").read_text())
    assert arguments[:4] == ["dev", str(example), "--until-idle", "--attempt-bypass"]
    assert arguments[4:6] == ["--report", str(tmp_path / "build" / "demo.json")]
    assert arguments[arguments.index("--with") + 1].endswith(" producer.py --pages 1250 --rate 50")
    assert arguments[arguments.index("--at-end") + 1].endswith(" score.py --pages 1250")
    printed = capsys.readouterr().out
    assert "block-with-care/confident" in printed


def test_the_demo_fails_as_its_run_failed(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(None) == 7
    assert capsys.readouterr().out == ""


def test_a_report_of_an_earlier_run_is_not_shown_again(run: Run, report: dict[str, Any], tmp_path: Path) -> None:
    assert run(report) is None
    assert run(None) == 7
    assert not (tmp_path / "build" / "demo.json").exists()


def test_the_demo_fails_when_a_bypass_got_through(run: Run, report: dict[str, Any]) -> None:
    report["bypass"]["refused"] = 0
    code = run(report)
    assert code == "\nThis run does not show what it should: 1 bypass attempts were not refused by the broker."
