"""What a person saves in the folder of ``dev``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from streamwarden_cli.local.folder import FolderChange, admit_folder, changes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "manifests", "code"),
    [
        pytest.param("policies.yaml", True, set(), id="a-manifest"),
        pytest.param("policies.json", True, set(), id="x64-a-manifest-in-json"),
        pytest.param("guard.py", False, {"guard.py"}, id="x29-a-program"),
    ],
)
async def test_a_change_says_what_it_may_concern(tmp_path: Path, file: str, *, manifests: bool, code: set[str]) -> None:
    stop = asyncio.Event()
    seen: asyncio.Queue[FolderChange] = asyncio.Queue()

    async def watch() -> None:
        async for change in changes(tmp_path, stop):
            seen.put_nowait(change)

    watching = asyncio.create_task(watch())
    async with asyncio.timeout(60):
        while seen.empty():  # until the watch stands, nothing is seen
            for name in ("notes.txt", f".{file}", file):
                (tmp_path / name).write_text(str(asyncio.get_running_loop().time()))
            await asyncio.sleep(0.3)
    stop.set()
    await watching
    change = seen.get_nowait()

    assert (change.manifests, {path.name for path in change.code}) == (manifests, code)


def test_a_problem_names_its_file_as_seen_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "loops" / "plant"
    folder.mkdir(parents=True)
    (folder / "policies.yaml").write_text("apiVersion: streamwarden.io/v1alpha1\nkind: Policie\n")
    for here, shown in [(folder, "policies.yaml"), (tmp_path, "loops/plant/policies.yaml")]:
        monkeypatch.chdir(here)
        assert [problem.file for problem in admit_folder(folder).problems] == [shown]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert [problem.file for problem in admit_folder(folder).problems] == [str(folder / "policies.yaml")]
