"""How a field is written whose shape a pattern says: an example tells more than a pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streamwarden_contract.models.fields import DNS_LABEL_PATTERN, DURATION_PATTERN, EVENT_TYPE_PATTERN
from streamwarden_contract.models.skip import ONE_LINE_PATTERN, TOPIC_ID_PATTERN
from streamwarden_contract.names import PRINCIPAL_PATTERN, TOPIC_NAME_PATTERN

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLES: Final[Mapping[str, str]] = {
    DNS_LABEL_PATTERN: "page-guard",
    DURATION_PATTERN: "1s or 1h30m (the largest unit is the hour: a day is 24h)",
    EVENT_TYPE_PATTERN: "url.block",
    ONE_LINE_PATTERN: "a broken producer (one line)",
    PRINCIPAL_PATTERN: "User:page-crawler",
    TOPIC_ID_PATTERN: "5ST_oN1KQm23ZqPwXv2AAg",
    TOPIC_NAME_PATTERN: "risk.urls-observed",
    r"^([A-Za-z0-9._+@-]+(/[A-Za-z0-9._+@-]+)*)?$": "models/current",
    r"^(/[A-Za-z0-9._+@-]+)+/?$": "/var/lib/models",
    r"^([A-Za-z_][A-Za-z0-9_]*)?$": "MODEL_",
    r"^[A-Za-z_][A-Za-z0-9_]{0,127}$": "MODEL_URL",
    r"^[A-Za-z0-9._-]+$": "api-key",
    r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|k|M|G)?$": "512Mi",
    r"^[0-9]+(\.[0-9]+)?m?$": "500m or 2",
    r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$": "urls-observed",
    r"^[a-zA-Z_][a-zA-Z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)*:[a-zA-Z_][a-zA-Z0-9_]*$": "url_guard:agent (module:object)",
    r"^sha256:[0-9a-f]{64}$": "sha256: and 64 of 0-9 and a-f",
}
"""By pattern; each pattern of the CRDs is here."""


def written_as(pattern: str) -> str:
    """Say how a value is written that must match a pattern."""
    example = EXAMPLES.get(pattern)
    return f"write it as in {example}; it must match {pattern}" if example else f"must match {pattern}"
