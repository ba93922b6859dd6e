"""The option of commands that print for people or for programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Output(StrEnum):
    """How to print."""

    TEXT = "text"
    JSON = "json"


Printed = Annotated[Output, typer.Option("--output", "-o", help="How to print it.")]
