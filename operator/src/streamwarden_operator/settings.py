"""The operator's settings, read once at start."""

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict
from streamwarden_contract.names import SYSTEM

from streamwarden_operator.errors import InvalidSpecError

PREFIX = "STREAMWARDEN_"


class OperatorSettings(BaseSettings):
    """From ``STREAMWARDEN_*``; a bad value stops the process. Kafka's own settings come as a librdkafka mapping."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True)

    operator_namespace: str = SYSTEM
    """Where the operator runs."""

    pod_bootstrap_servers: Annotated[str, Field(pattern=r"^([^,\s]+:\d+(,[^,\s]+:\d+)*)?$")] = ""
    """Comma-separated ``host:port`` list as pods reach Kafka; empty: as the operator does."""

    workers: Annotated[int, Field(ge=1, le=64)] = 8
    """Objects worked on side by side: most of the time of one is waiting for Kafka's answers."""

    admin_timeout: timedelta = timedelta(seconds=10)
    """Longest wait for one Kafka admin request, one step of publishing, or one answer of the registry."""

    resync_interval: timedelta = timedelta(minutes=5)
    """How often an unchanged resource is compared with the world again: drift is found then."""

    first_retry: timedelta = timedelta(milliseconds=500)
    """Wait after the first failure; it doubles with each further one."""

    longest_retry: timedelta = timedelta(minutes=1)
    """The wait does not grow beyond this, so that an outage that is over is noticed."""


def load_settings(environ: Mapping[str, str] = os.environ) -> OperatorSettings:
    """Read the settings from the environment.

    Raises:
        InvalidSpecError: a variable begins with ``STREAMWARDEN_`` and is no setting: a typo would else be silent.
        ValidationError: a value is refused.
    """
    known = {f"{PREFIX}{name.upper()}" for name in OperatorSettings.model_fields}
    unknown = sorted(name for name in environ if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise InvalidSpecError(f"{', '.join(unknown)}: no such setting; the settings are {', '.join(sorted(known))}")
    return OperatorSettings()
