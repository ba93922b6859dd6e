from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from streamwarden.runtime.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_an_agent_that_cannot_start_leaves_word_of_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CONFIG", "CREDENTIALS", "POD"):
        monkeypatch.delenv(f"STREAMWARDEN_{name}", raising=False)
    words = tmp_path / "last-words"
    monkeypatch.setenv("STREAMWARDEN_LAST_WORDS", str(words))
    try:
        assert main() == 2
    finally:
        structlog.reset_defaults()
    assert words.read_text().startswith("set STREAMWARDEN_CONFIG")
