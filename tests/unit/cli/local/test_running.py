"""What other commands find of a running ``dev``."""

import subprocess
import sys
from pathlib import Path

from streamwarden_cli.local.state import StateFolder
from streamwarden_kafka.connection import CLIENT_PROPERTIES_FILE, Connection

_PROGRAM = """
import sys
from streamwarden_cli.main import app

app(["credentials", "--principal", "sensors", "--dir", sys.argv[1]], standalone_mode=False)
print("streamwarden_contract.models" in sys.modules)
"""


def test_a_producer_gets_its_credentials_without_waiting_for_the_models_of_all_resources(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    kept = state.external / "sensors" / CLIENT_PROPERTIES_FILE
    with state.locked():
        kept.parent.mkdir(parents=True)
        kept.write_text("bootstrap.servers=127.0.0.1:9\n")
        command = [sys.executable, "-c", _PROGRAM, str(tmp_path)]
        written, models = subprocess.check_output(command, text=True).splitlines()
    assert Connection.read(Path(written)).bootstrap_servers == "127.0.0.1:9"
    assert models == "False"
