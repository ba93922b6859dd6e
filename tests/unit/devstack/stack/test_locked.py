from __future__ import annotations

import re
from importlib.resources import files

import pytest
from streamwarden_devstack.stack.locked import Artifact, parse_lock, read_lock, render_lock

TEXT = files("streamwarden_devstack.stack").joinpath("jars.lock").read_text("utf-8")


def test_the_lock_names_no_address() -> None:
    assert re.search(r"://|www\.|\.(com|org|net|io)(/|\s|$)", TEXT) is None


def test_the_lock_has_all_of_kafka_and_the_registry() -> None:
    lock = read_lock()

    names = {artifact.name for artifact in lock["kafka-4.3"]}
    assert {"kafka_2.13", "kafka-clients", "kafka-metadata", "log4j-core", "log4j-slf4j-impl", "slf4j-api"} <= names
    assert [artifact.coordinates for artifact in lock["registry"]] == [
        "io.apicurio:apicurio-registry-app:3.3.3:all@tar.gz"
    ]


def test_every_locked_file_has_a_sha256_and_a_size() -> None:
    for artifact in (one for members in read_lock().values() for one in members):
        assert re.fullmatch(r"[0-9a-f]{64}", artifact.sha256), artifact
        assert artifact.size > 0, artifact


def test_no_file_is_locked_in_two_versions() -> None:
    names = [(artifact.group, artifact.name) for artifact in read_lock()["kafka-4.3"]]

    assert len(names) == len(set(names))


def test_rendering_gives_back_what_was_parsed() -> None:
    assert render_lock(parse_lock(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("classifier", "path"),
    [
        pytest.param("", "org/example/tool/1.0/tool-1.0.jar", id="without-classifier"),
        pytest.param("all", "org/example/tool/1.0/tool-1.0-all.jar", id="with-classifier"),
    ],
)
def test_a_path_is_as_maven_repositories_have_it(classifier: str, path: str) -> None:
    assert Artifact("org.example", "tool", "1.0", classifier, "jar", "0" * 64, 1).path == path
