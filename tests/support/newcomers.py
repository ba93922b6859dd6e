"""The program that docs/dev.md gives to whoever writes events of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from support.kafka_tools import WAIT_S

if TYPE_CHECKING:
    from collections.abc import Mapping

_PAGE = Path(__file__).parents[2] / "docs" / "dev.md"


def write_as_documented(folder: Path, path: str) -> str:
    """Run the program in a folder, as it stands on the page, and return what it prints.

    Args:
        folder: where to run it.
        path: where to look for ``streamwarden``.
    """
    [program] = re.findall(r"```python\n(.*?)```", _PAGE.read_text("utf-8"), re.DOTALL)
    environment: Mapping[str, str] = {**os.environ, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
    ).stdout
