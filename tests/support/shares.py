"""Run tests in processes that share their files between them: ``make unit`` does.

A worker of xdist collects all tests, whoever runs them, and sends three reports of each to a third process. Where tests
take some milliseconds that is a quarter of the CPU that they take together.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def deal(sizes: Mapping[Path, int], processes: int) -> list[list[Path]]:
    """Deal the files out, the largest first; to fewer processes where there are fewer files."""
    files = sorted(sizes, key=lambda file: (-sizes[file], file))
    return [files[place::processes] for place in range(min(processes, len(files)))]


def run(shares: Sequence[Sequence[Path]], options: Sequence[str]) -> list[int]:
    """Run pytest once for each share, side by side, and return the exit codes.

    The first writes as it goes on; what the others wrote follows, in order.
    """
    with ExitStack() as outputs:
        others = [outputs.enter_context(tempfile.TemporaryFile()) for _ in shares[1:]]
        started = [
            subprocess.Popen([sys.executable, "-m", "pytest", *options, *map(str, share)], stdout=out, stderr=out)
            for share, out in zip(shares, [None, *others], strict=True)
        ]
        codes = [each.wait() for each in started]
        for out in others:
            out.seek(0)
            sys.stdout.buffer.write(out.read())
    return codes


def main(processes: str, folder: str, *options: str) -> int:
    """Run a folder's tests with pytest's ``options``, and say in one line how that went."""
    start = time.monotonic()
    sizes = {file: file.stat().st_size for file in Path(folder).rglob("test_*.py")}
    codes = run(deal(sizes, int(processes)), options)
    failed = [str(place) for place, code in enumerate(codes, 1) if code]
    ended = f"failed in process {' and '.join(failed)} of {len(codes)}" if failed else "passed"
    sys.stdout.write(f"{folder}: {ended} in {time.monotonic() - start:.1f} s\n")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
