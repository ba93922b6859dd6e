"""Which pod fields are refused, whatever an API server let pass: its CRD may be older, or it pruned what it cannot say.

The rules are those of the CRD, in the same words.
"""

import re
from collections.abc import Iterator, Sequence

from streamwarden_contract.models import pod_rules as rules
from streamwarden_contract.models.pod import EnvFromSource, EnvVar, PodFields, Volume, VolumeMount

from streamwarden_operator.errors import InvalidSpecError

_OUR_PATHS = re.compile(rules.OUR_PATHS_PATTERN)

Fault = tuple[str, str]
"""Field path below ``spec``, as in ``volumes[0].secret.secretName``, and a sentence that does not repeat it."""


def check_pod_fields(pod: PodFields) -> None:
    """Refuse pods that reach for what is Streamwarden's own.

    Raises:
        InvalidSpecError: names every such field.
    """
    if faults := list(pod_faults(pod)):
        raise InvalidSpecError("; ".join(f"spec.{field}: {message}" for field, message in faults))


def pod_faults(pod: PodFields) -> Iterator[Fault]:
    """Yield what is refused."""
    for index, variable in enumerate(pod.env):
        yield from _below(f"env[{index}]", _env(variable))
    for index, source in enumerate(pod.env_from):
        yield from _below(f"envFrom[{index}]", _env_from(source))
    for index, volume in enumerate(pod.volumes):
        yield from _below(f"volumes[{index}]", _volume(volume))
    for index, mount in enumerate(pod.volume_mounts):
        yield from _below(f"volumeMounts[{index}]", _mount(mount, pod.volumes))
    for index, secret in enumerate(pod.image_pull_secrets):
        yield from _below(f"imagePullSecrets[{index}]", _secret("name", secret.name))


def _below(path: str, faults: Iterator[Fault]) -> Iterator[Fault]:
    return ((f"{path}.{field}" if field else path, message) for field, message in faults)


def _env(variable: EnvVar) -> Iterator[Fault]:
    if variable.name.startswith(rules.ENV_PREFIX):
        yield "name", rules.OUR_ENV
    source = variable.value_from
    if source is None:
        return
    if variable.value:
        yield "valueFrom", rules.ONE_VALUE
    if (source.secret_key_ref is None) == (source.config_map_key_ref is None):
        yield "valueFrom", rules.ONE_KEY_SOURCE
    if source.secret_key_ref is not None:
        yield from _secret("valueFrom.secretKeyRef.name", source.secret_key_ref.name)
    if source.config_map_key_ref is not None:
        yield from _config_map("valueFrom.configMapKeyRef.name", source.config_map_key_ref.name)


def _env_from(source: EnvFromSource) -> Iterator[Fault]:
    if source.prefix.startswith(rules.ENV_PREFIX):
        yield "prefix", rules.OUR_ENV
    if (source.secret_ref is None) == (source.config_map_ref is None):
        yield "", rules.ONE_ENV_SOURCE
    if source.secret_ref is not None:
        yield from _secret("secretRef.name", source.secret_ref.name)
    if source.config_map_ref is not None:
        yield from _config_map("configMapRef.name", source.config_map_ref.name)


def _volume(volume: Volume) -> Iterator[Fault]:
    yield from _volume_name(volume.name)
    sources = (volume.empty_dir, volume.config_map, volume.secret, volume.persistent_volume_claim)
    if sum(source is not None for source in sources) != 1:
        yield "", rules.ONE_VOLUME_SOURCE
    if volume.config_map is not None:
        yield from _config_map("configMap.name", volume.config_map.name)
    if volume.secret is not None:
        yield from _secret("secret.secretName", volume.secret.secret_name)


def _mount(mount: VolumeMount, volumes: Sequence[Volume]) -> Iterator[Fault]:
    yield from _volume_name(mount.name)
    if all(volume.name != mount.name for volume in volumes):
        yield "name", rules.UNKNOWN_VOLUME
    yield from _path("mountPath", mount.mount_path)
    if ".." in mount.sub_path.split("/"):
        yield "subPath", rules.RELATIVE_STEP


def _volume_name(name: str) -> Iterator[Fault]:
    if name.startswith(rules.VOLUME_PREFIX):
        yield "name", rules.OUR_VOLUME


def _path(field: str, path: str) -> Iterator[Fault]:
    """Judge a path as a container's runtime reads it: empty steps and ``.`` lead nowhere."""
    steps = [step for step in path.split("/") if step not in {"", "."}]
    if ".." in steps:
        yield field, rules.RELATIVE_STEP
    elif not steps or _OUR_PATHS.search("/" + "/".join(steps)):
        yield field, rules.OUR_PATH


def _secret(field: str, name: str) -> Iterator[Fault]:
    if name.endswith(rules.SECRET_SUFFIXES):
        yield field, rules.OUR_SECRET


def _config_map(field: str, name: str) -> Iterator[Fault]:
    if name.endswith(rules.CONFIG_MAP_SUFFIXES):
        yield field, rules.OUR_CONFIG_MAP
