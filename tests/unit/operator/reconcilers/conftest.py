"""What holds for reconcilers' tests: each runs a whole controller over fakes, for a fiftieth of a second on average."""

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave them to ``make test``: together they take a fifth of what all unit tests do."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)
