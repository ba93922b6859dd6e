"""What is logged at which level: libraries say at debug no more than at info, for they would show Secrets."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog
from streamwarden_operator.logs import LogLevel, configure_logging
from streamwarden_operator.settings import OperatorSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warning", "error")


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    root, names = logging.getLogger(), ("kopf.objects", "httpx", "streamwarden_operator", "streamwarden_kafka")
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in names}
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)


def said_at(level: LogLevel, capsys: pytest.CaptureFixture[str]) -> list[str]:
    configure_logging(level)
    log = structlog.get_logger("streamwarden_operator.somewhere")
    for own in LEVELS:
        getattr(log, own)(f"own {own}")
        getattr(logging.getLogger("kubernetes.aio.client.rest"), own)(f"library {own}")
    return [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        pytest.param("error", ["own error", "library error"], id="errors"),
        pytest.param("warning", ["own warning", "library warning", "own error", "library error"], id="warnings"),
        pytest.param("info", ["own info", "library info", "own warning"], id="info-is-the-usual-one"),
        pytest.param("debug", ["own debug", "own info", "library info"], id="at-debug-libraries-say-no-more"),
    ],
)
def test_what_is_as_urgent_as_the_level_is_said(
    level: LogLevel, expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert said_at(level, capsys)[: len(expected)] == expected


def test_the_level_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    assert OperatorSettings().log_level == "info"
    monkeypatch.setenv("STREAMWARDEN_LOG_LEVEL", "debug")
    assert OperatorSettings().log_level == "debug"
    monkeypatch.setenv("STREAMWARDEN_LOG_LEVEL", "chatty")
    with pytest.raises(ValueError, match="log_level"):
        OperatorSettings()
