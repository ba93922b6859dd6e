"""What every run of tests has."""

import gc
from collections.abc import Generator

import pytest

pytest_plugins = ["support.lanes", "support.fixtures"]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from what is collected, as it stays: a sixth of the CPU of ``make unit``."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000)  # what tests leave behind is looked at less often than a server's: 7 % of the CPU
        gc.enable()
