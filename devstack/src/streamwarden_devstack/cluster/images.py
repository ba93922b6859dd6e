"""Streamwarden's images: what each is made of, and built only when that has changed.

A tag is a hash of everything an image depends on. So an unchanged tree builds nothing, and a manifest that names a
tag says exactly what it runs.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streamwarden_kafka.private_files import private_folder, write_private

from streamwarden_devstack.cluster.engines import Order, build_lock
from streamwarden_devstack.cluster.execute import one_at_a_time
from streamwarden_devstack.cluster.pip_settings import build_configuration, configuration_files, find_certificates
from streamwarden_devstack.cluster.source_tree import content_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from streamwarden_devstack.cluster.engines import Engine
    from streamwarden_devstack.cluster.provider import Provider
    from streamwarden_devstack.cluster.reporting import Reporter

_PREFIX = "localhost/streamwarden"
_KEPT = 4
"""Of each image's versions: for going back and forth between a few states of a tree, or a few trees."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image."""

    name: str
    dockerfile: str
    """Relative to the repository, as is everything below."""
    sources: tuple[str, ...]
    """Files and folders that it is made of."""
    target: str = ""
    based_on: str = ""
    """The image that the Dockerfile's argument ``AGENT`` stands for; none for one that is made from the base."""


_BUILD = ("LICENSE", "requirements/build.lock")
"""Of every image that holds wheels of ours."""
IMAGES = (
    Image(
        "operator",
        "operator/Dockerfile",
        ("contract", "judging", "kafka", "operator", "requirements/operator.lock", *_BUILD),
    ),
    Image(
        "agent",
        "agent_image/sdk/Dockerfile",
        ("contract", "kafka", "agent_image/sdk", "requirements/sdk.lock", *_BUILD),
    ),
    Image(
        "gate",
        "agent_image/gate/Dockerfile",
        ("contract", "judging", "kafka", "agent_image/gate", "requirements/gate.lock", *_BUILD),
    ),
    Image(
        "phishing-example",
        "examples/phishing/Dockerfile",
        ("examples/phishing/Dockerfile", "examples/phishing/*.py", "requirements/examples.lock"),
        based_on="agent",
    ),
)
"""Each after what it is based on."""


@dataclass(frozen=True, slots=True)
class Built:
    """An image that is there."""

    name: str
    reference: str
    size: int
    """In bytes, unpacked."""


def build_references(root: Path, base: str) -> dict[str, str]:
    """Give each image's reference, from what is in the repository now."""
    references: dict[str, str] = {}
    for image in IMAGES:
        below = references[image.based_on] if image.based_on else base
        tag = content_hash(root, image.sources, image.target, below)
        references[image.name] = f"{_PREFIX}/{image.name}:{tag}"
    return references


def build_images(engine: Engine, root: Path, cache: Path, reporter: Reporter) -> tuple[Built, ...]:
    """Build the images that the engine does not have.

    Raises:
        ClusterError: One cannot be built.
    """
    lock = build_lock(cache)
    folder = lock.parent
    with one_at_a_time(lock):
        base = engine.ensure_base(reporter)
        references = build_references(root, base)
        with tempfile.TemporaryDirectory(dir=folder) as secrets:
            lent = _lend_secrets(Path(secrets))
            return tuple(
                _ensure(image, engine, references, _Place(root, folder, base, lent), reporter) for image in IMAGES
            )


def load_images(provider: Provider, references: Iterable[str], cache: Path, reporter: Reporter) -> None:
    """Give the node the images that it does not have."""
    have = provider.loaded_images()
    missing = [reference for reference in references if reference not in have]
    if not missing:
        return
    with tempfile.TemporaryDirectory(dir=private_folder(cache / "cluster" / "images")) as folder:
        for reference in missing:
            with reporter.step(f"loading {reference}"):
                archive = Path(folder, "image.tar")
                provider.engine.save(reference, archive)
                provider.load_images([archive])
                archive.unlink()


@dataclass(frozen=True, slots=True)
class _Place:
    root: Path
    logs: Path
    base: str
    secrets: Mapping[str, Path]


def _ensure(image: Image, engine: Engine, references: Mapping[str, str], place: _Place, reporter: Reporter) -> Built:
    reference = references[image.name]
    size = engine.size(reference)
    if size is None:
        arguments = {"BASE": place.base} if place.base else {}
        if image.based_on:
            arguments["AGENT"] = references[image.based_on]
        order = Order(reference, place.root / image.dockerfile, place.root, image.target, arguments, place.secrets)
        with reporter.step(f"building the image {image.name}"):
            engine.build(order, place.logs / f"{image.name}.log")
        for old in engine.tags(reference.rpartition(":")[0])[_KEPT:]:
            engine.remove(old)
        size = engine.size(reference)
    assert size is not None  # noqa: S101  # it has just been built
    return Built(image.name, reference, size)


def _lend_secrets(folder: Path) -> dict[str, Path]:
    texts = [path.read_text("utf-8") for path in configuration_files()]
    lent = {"pip_conf": write_private(folder / "pip.conf", build_configuration(texts, os.environ))}
    if (certificates := find_certificates()) is not None:
        lent["ca_bundle"] = certificates
    return lent
