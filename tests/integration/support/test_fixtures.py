"""What every run loads, whichever tests it is of."""

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
LOADED = """
import runpy, sys
for name in runpy.run_path("conftest.py")["pytest_plugins"]:
    __import__(name)
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_the_fixtures_of_all_tests_load_neither_clients_nor_what_they_run() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=TESTS, capture_output=True, text=True, check=True)

    loaded = done.stdout.split()
    assert "support" in loaded
    heavy = {"aiokafka", "confluent_kafka", "httpx", "kopf", "kubernetes", "rich"}
    assert [name for name in loaded if name in heavy or name.startswith("streamwarden")] == []
