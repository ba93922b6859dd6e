"""What in a pod is Streamwarden's own, and the field types whose CEL rules keep others away from it."""

from typing import Annotated, Literal

from pydantic import Field

SECRET_SUFFIXES = ("-agent-credentials", "-gate-credentials")
"""Names of Secrets that end so are Streamwarden's own."""
CONFIG_MAP_SUFFIXES = ("-agent-config", "-gate-config")
"""Names of ConfigMaps that end so are Streamwarden's own."""
VOLUME_PREFIX = "streamwarden-"
"""Names of volumes that begin so are Streamwarden's own."""
ENV_PREFIX = "STREAMWARDEN_"
"""Names of environment variables that begin so are Streamwarden's own."""
OUR_PATHS_PATTERN = r"^(/etc|(/var)?/run)(/streamwarden(/|$)|/?$)"
"""At, below or above ``/etc/streamwarden`` and ``/run/streamwarden``; ``/var/run`` links to ``/run`` in most images."""
RELATIVE_STEP_PATTERN = r"(^|/)[.]{1,2}(/|$)"
"""A step ``.`` or ``..`` in a path."""

OUR_SECRET = "Secrets named *-agent-credentials and *-gate-credentials are Streamwarden's own"  # noqa: S105  # no secret
OUR_CONFIG_MAP = "ConfigMaps named *-agent-config and *-gate-config are Streamwarden's own"
OUR_VOLUME = "volumes named streamwarden-* are Streamwarden's own"
OUR_PATH = "/etc/streamwarden, /run/streamwarden and what lies below and above them are Streamwarden's own"
OUR_ENV = "names that start with STREAMWARDEN_ are reserved"
RELATIVE_STEP = "write the path without '.' and '..'"
ONE_VALUE = "give a value or valueFrom, not both"
ONE_KEY_SOURCE = "give exactly one of secretKeyRef and configMapKeyRef"
ONE_ENV_SOURCE = "give exactly one of secretRef and configMapRef"
ONE_VOLUME_SOURCE = "give exactly one of emptyDir, configMap, secret and persistentVolumeClaim"
UNKNOWN_VOLUME = "each volume mount must name one of spec.volumes"


def _rules(*rules: tuple[str, str]) -> dict[str, object]:
    return {"x-kubernetes-validations": [{"rule": rule, "message": message} for rule, message in rules]}


def _no_suffix(suffixes: tuple[str, ...]) -> str:
    return " && ".join(f"!self.endsWith('{suffix}')" for suffix in suffixes)


def exactly_one(*fields: str) -> str:
    """Return the CEL rule that exactly one of the fields is there."""
    return f"[{', '.join(f'has(self.{field})' for field in fields)}].exists_one(given, given)"


_NAME = r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
SecretName = Annotated[
    str,
    Field(pattern=_NAME, max_length=253, json_schema_extra=_rules((_no_suffix(SECRET_SUFFIXES), OUR_SECRET))),
]
ConfigMapName = Annotated[
    str,
    Field(pattern=_NAME, max_length=253, json_schema_extra=_rules((_no_suffix(CONFIG_MAP_SUFFIXES), OUR_CONFIG_MAP))),
]
VolumeName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        max_length=63,
        json_schema_extra=_rules((f"!self.startsWith('{VOLUME_PREFIX}')", OUR_VOLUME)),
    ),
]
MountPath = Annotated[
    str,
    Field(
        pattern=r"^(/[A-Za-z0-9._+@-]+)+/?$",
        max_length=512,
        json_schema_extra=_rules(
            (f"!self.matches('{RELATIVE_STEP_PATTERN}')", RELATIVE_STEP),
            (f"!self.matches('{OUR_PATHS_PATTERN}')", OUR_PATH),
        ),
    ),
]
SubPath = Annotated[
    str,
    Field(
        pattern=r"^([A-Za-z0-9._+@-]+(/[A-Za-z0-9._+@-]+)*)?$",
        max_length=512,
        json_schema_extra=_rules((f"!self.matches('{RELATIVE_STEP_PATTERN}')", RELATIVE_STEP)),
    ),
]
DataKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=253)]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]
