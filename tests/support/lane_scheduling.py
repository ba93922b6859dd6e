"""xdist's ``--dist loadgroup``, with groups that go to the controller through a file.

xdist 3.8 writes a test's group into its id, which pytest 9.2 does not let it: groups are then lost without a word. Ids
stay as they are here, whatever the versions.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

_FILE = "groups_file"


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives a worker a whole group at a time."""

    def __init__(self, config: pytest.Config, log: Any, file: Path) -> None:
        super().__init__(config, log)
        self._file = file
        self._groups: Mapping[str, str] = {}

    @override
    def schedule(self) -> None:
        if not self._groups:  # every worker has collected now, and written the same
            self._groups = json.loads(self._file.read_text())
        super().schedule()

    @override
    def remove_node(self, node: Any) -> str | None:
        """Give others what a worker that ended had to do, but for the test that ended it: xdist gives them that too."""
        units = self.assigned_work.pop(node)
        ended: str | None = next((test for unit in units.values() for test, done in unit.items() if not done), None)
        for unit in units.values():
            if ended in unit:
                unit[ended] = True
        self.workqueue.update({group: unit for group, unit in units.items() if not all(unit.values())})
        for other in self.assigned_work:
            self._reschedule(other)
        return ended

    @override
    def _split_scope(self, nodeid: str) -> str:
        return self._groups[nodeid]


class Groups:
    """The controller's side: where workers write the groups, and who reads them there."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pytest-groups-")
        self._file = Path(self._folder.name, "groups.json")

    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[_FILE] = str(self._file)

    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> GroupScheduling | None:
        return GroupScheduling(config, log, self._file) if config.getoption("dist") == "loadgroup" else None

    def pytest_unconfigure(self) -> None:
        self._folder.cleanup()


def tell_groups(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write each test's group where the controller reads it."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        groups = {item.nodeid: item.get_closest_marker("xdist_group").args[0] for item in items}  # type: ignore[union-attr]
        file = Path(worker[_FILE])
        part = file.with_suffix(f".{worker['workerid']}")
        part.write_text(json.dumps(groups))
        part.rename(file)
