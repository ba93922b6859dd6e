"""Field types that several kinds share: each is bounded in ways a structural schema can say."""

from typing import Annotated

from pydantic import Field

from streamwarden_contract.names import PRINCIPAL_PATTERN, TOPIC_NAME_PATTERN

DNS_LABEL_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
DURATION_PATTERN = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
EVENT_TYPE_PATTERN = r"^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,126}[a-zA-Z0-9])?$"

DnsLabel = Annotated[str, Field(pattern=DNS_LABEL_PATTERN, max_length=63)]
DecisionType = Annotated[str, Field(pattern=EVENT_TYPE_PATTERN, max_length=128)]
EventType = Annotated[str, Field(pattern=EVENT_TYPE_PATTERN, max_length=128)]
ResourceName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", max_length=253)]
TopicName = Annotated[str, Field(pattern=TOPIC_NAME_PATTERN, max_length=249)]
Principal = Annotated[str, Field(pattern=PRINCIPAL_PATTERN, max_length=105)]
Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)]
"""A length of time as in ``1h30m``; read it with ``parse_duration``."""
CelExpression = Annotated[str, Field(min_length=1, max_length=4096)]
LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63)]
