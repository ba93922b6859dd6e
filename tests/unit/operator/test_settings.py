"""A typo in a setting stops the process."""

import pytest
from pydantic import ValidationError
from streamwarden_operator.errors import InvalidSpecError
from streamwarden_operator.settings import load_settings


def test_a_variable_that_is_no_setting_is_refused() -> None:
    with pytest.raises(InvalidSpecError, match=r"^STREAMWARDEN_WORKER: no such setting; .*STREAMWARDEN_WORKERS"):
        load_settings({"STREAMWARDEN_WORKER": "2", "PATH": "/bin"})


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMWARDEN_WORKERS", "2")
    assert load_settings({"STREAMWARDEN_WORKERS": "2"}).workers == 2


def test_a_value_out_of_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMWARDEN_WORKERS", "0")
    with pytest.raises(ValidationError, match="workers"):
        load_settings({})
