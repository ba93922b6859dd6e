"""Renew ``jars.lock``: ``python -m streamwarden_devstack.stack.relock`` (needs ``mvn`` on the PATH).

Maven resolves the programs once, with whatever repositories and mirrors its own settings name, and the
lock keeps the coordinates, sizes and SHA-256 of what it found. The versions of Kafka are those of
:mod:`streamwarden_devstack.stack.versions`, the others the constants below. Nothing else in Streamwarden needs Maven.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from streamwarden_devstack.stack.locked import Artifact, parse_lock, render_lock
from streamwarden_devstack.stack.versions import KAFKAS, kafka_set

KAFKA = "org.apache.kafka:kafka_2.13:{}@jar"
# Kafka logs through slf4j 1.7 and brings log4j-core, but no bridge: without one it prints nothing at all.
LOG_BRIDGE = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4@jar"
REGISTRY = "io.apicurio:apicurio-registry-app:3.3.3:all@tar.gz"

_POM = """<project>
  <modelVersion>4.0.0</modelVersion><groupId>lock</groupId><artifactId>lock</artifactId><version>1</version>
  <dependencies>{}</dependencies>
</project>
"""
_DEPENDENCY = (
    "<dependency><groupId>{a.group}</groupId><artifactId>{a.name}</artifactId><version>{a.version}</version>"
    "<type>{a.extension}</type>{classifier}<exclusions>{exclusions}</exclusions></dependency>"
)
_NO_TRANSITIVE = "<exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>"


def main() -> None:
    """Resolve all programs and write the lock."""
    lock = {
        kafka_set(minor): _resolve((KAFKA.format(release), LOG_BRIDGE), transitive=True)
        for minor, release in KAFKAS.items()
    }
    lock["registry"] = _resolve((REGISTRY,), transitive=False)
    path = Path(__file__).with_name("jars.lock")
    path.write_text(render_lock(lock), "utf-8")
    sys.stdout.write(f"{path}: {', '.join(f'{len(found)} {name}' for name, found in lock.items())}\n")


def _resolve(coordinates: tuple[str, ...], *, transitive: bool) -> tuple[Artifact, ...]:
    wanted = parse_lock("\n".join(f"registry {one} 0 0" for one in coordinates))["registry"]
    with tempfile.TemporaryDirectory() as folder:
        pom = Path(folder, "pom.xml")
        pom.write_text(_POM.format("".join(_dependency(one, transitive=transitive) for one in wanted)), "utf-8")
        # The repository layout keeps each file's coordinates in its path.
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
        options = ["-DincludeScope=runtime", "-Dmdep.useRepositoryLayout=true", f"-DoutputDirectory={folder}/out"]
        subprocess.run([*command, *options], check=True)
        out = Path(folder, "out")
        # Beside the files it writes metadata of its own.
        files = (path for path in out.rglob("*") if path.is_file() and path.suffix != ".xml")
        return tuple(_described(path, out) for path in files)


def _dependency(wanted: Artifact, *, transitive: bool) -> str:
    classifier = f"<classifier>{wanted.classifier}</classifier>" if wanted.classifier else ""
    return _DEPENDENCY.format(a=wanted, classifier=classifier, exclusions="" if transitive else _NO_TRANSITIVE)


def _described(path: Path, root: Path) -> Artifact:
    *group, name, version, file_name = path.relative_to(root).parts
    rest = file_name.removeprefix(f"{name}-{version}")
    classifier, _, extension = rest.partition(".")
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return Artifact(".".join(group), name, version, classifier.removeprefix("-"), extension, digest, len(content))


if __name__ == "__main__":
    main()
