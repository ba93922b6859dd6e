"""Errors say what to do about them: by the author, by whoever starts the process, or by nobody."""

from __future__ import annotations

import inspect

import pytest
import streamwarden.errors
import streamwarden.runtime.errors
import streamwarden_kafka.errors
from streamwarden.errors import AgentDefinitionError, DecisionRefusedError, StreamwardenError
from streamwarden.runtime.errors import ConfigurationError, RuntimeFaultError


@pytest.mark.parametrize("kind", [AgentDefinitionError, DecisionRefusedError, RuntimeFaultError, ConfigurationError])
def test_one_root_is_enough_to_catch_what_the_sdk_raises(kind: type[Exception]) -> None:
    assert issubclass(kind, StreamwardenError)


def test_what_kafka_does_is_said_in_kafkas_room_alone() -> None:
    def names(module: object) -> set[str]:
        return {name for name, _ in inspect.getmembers(module, inspect.isclass)}

    own = names(streamwarden.errors) | names(streamwarden.runtime.errors)
    assert own & names(streamwarden_kafka.errors) == set()
    assert not {name for name in own if name.startswith(("Kafka", "Broker", "Transaction", "Fenced", "Producer"))}


@pytest.mark.parametrize("module", [streamwarden.errors, streamwarden.runtime.errors, streamwarden_kafka.errors])
def test_the_tree_in_the_docstring_names_every_error(module: object) -> None:
    drawn = inspect.getdoc(module) or ""
    own = [name for name, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == module.__name__]  # type: ignore[attr-defined]  # a module has a name
    assert [name for name in own if name not in drawn] == []
