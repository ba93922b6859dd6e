"""Field types that several kinds share: each is bounded in ways a structural schema can say."""

from typing import Annotated

from pydantic import AfterValidator, Field

from streamwarden_contract.names import PRINCIPAL_PATTERN, TOPIC_NAME_PATTERN

DNS_LABEL_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
DURATION_PATTERN = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
EVENT_TYPE_PATTERN = r"^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,126}[a-zA-Z0-9])?$"


def _positive(duration: str) -> str:
    if not any(digit in duration for digit in "123456789"):
        raise ValueError("a duration must be positive")
    return duration


DnsLabel = Annotated[str, Field(pattern=DNS_LABEL_PATTERN, max_length=63)]
DecisionType = Annotated[str, Field(pattern=EVENT_TYPE_PATTERN, max_length=128)]
EventType = Annotated[str, Field(pattern=EVENT_TYPE_PATTERN, max_length=128)]
ResourceName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", max_length=253)]
TopicName = Annotated[str, Field(pattern=TOPIC_NAME_PATTERN, max_length=249)]
Principal = Annotated[str, Field(pattern=PRINCIPAL_PATTERN, max_length=105)]
Duration = Annotated[
    str,
    Field(
        pattern=DURATION_PATTERN,
        max_length=32,
        json_schema_extra={
            "x-kubernetes-validations": [{"rule": "self.matches('[1-9]')", "message": "a duration must be positive"}]
        },
    ),
    AfterValidator(_positive),
]
"""A length of time as in ``1h30m``; read it with ``parse_duration``."""
CelExpression = Annotated[str, Field(min_length=1, max_length=4096)]
LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63)]
CpuQuantity = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?m?$", max_length=16)] | Annotated[int, Field(ge=0)]
MemoryQuantity = (
    Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|k|M|G)?$", max_length=16)] | Annotated[int, Field(ge=0)]
)
