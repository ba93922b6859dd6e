from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from streamwarden_devstack.cluster.engines import Order, parse_size
from streamwarden_devstack.cluster.images import IMAGES, build_images, build_references, load_images
from streamwarden_devstack.cluster.pip_settings import build_configuration, configuration_files, find_certificates
from streamwarden_devstack.cluster.reporting import QuietReporter
from streamwarden_devstack.cluster.source_tree import find_source_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamwarden_devstack.cluster.provider import Provider
    from streamwarden_devstack.cluster.reporting import Reporter

ROOT = Path(__file__).parents[4]
NAMES = ["operator", "agent", "gate", "phishing-example"]


class FakeEngine:
    """Keeps images by name alone."""

    def __init__(self) -> None:
        self.built: list[Order] = []
        self.lent: dict[str, str] = {}
        self.saved: list[str] = []

    def ensure_base(self, reporter: Reporter) -> str:  # noqa: ARG002  # the protocol's
        return "localhost/base:1"

    def size(self, reference: str) -> int | None:
        return 1_000 if any(order.reference == reference for order in self.built) else None

    def build(self, order: Order, log: Path) -> None:  # noqa: ARG002  # the protocol's
        self.built.append(order)
        self.lent = {name: path.read_text("utf-8") for name, path in order.secrets.items()}

    def tags(self, repository: str) -> list[str]:
        names = [order.reference for order in reversed(self.built)]
        return [name for name in names if name.startswith(f"{repository}:")]

    def remove(self, reference: str) -> None:
        self.built = [order for order in self.built if order.reference != reference]

    def save(self, reference: str, archive: Path) -> None:
        self.saved.append(reference)
        archive.write_text(reference, "utf-8")


class FakeNode:
    """Holds what it is given."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.images: set[str] = set()

    def loaded_images(self) -> frozenset[str]:
        return frozenset(self.images)

    def load_images(self, archives: Sequence[Path]) -> None:
        self.images |= {archive.read_text("utf-8") for archive in archives}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for image in IMAGES:
        for name in (image.dockerfile, *(source for source in image.sources if "*" not in source)):
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / name).is_file():
                path.write_text(name, "utf-8")
    (tree / "contract/src").mkdir(parents=True)
    (tree / "contract/src/names.py").write_text("a = 1\n", "utf-8")
    (tree / "examples/phishing/page_guard.py").write_text("b = 1\n", "utf-8")
    return tree


def changed(tree: Path, path: str) -> set[str]:
    """Which images get another tag when a file changes."""
    before = build_references(tree, "base:1")
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text("changed\n", "utf-8")
    after = build_references(tree, "base:1")
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("contract/src/names.py", set(NAMES), id="the-contract-is-in-all"),
        pytest.param("operator/src/new.py", {"operator"}, id="a-new-file-counts"),
        pytest.param("operator/Dockerfile", {"operator"}, id="so-does-a-dockerfile"),
        pytest.param("requirements/sdk.lock", {"agent", "phishing-example"}, id="and-a-lock"),
        pytest.param("examples/phishing/page_guard.py", {"phishing-example"}, id="an-agent-is-in-its-own-image-only"),
        pytest.param("examples/phishing/topics.yaml", set[str](), id="manifests-are-in-no-image"),
        pytest.param("contract/src/__pycache__/names.cpython-311.pyc", set[str](), id="nor-is-bytecode"),
    ],
)
def test_tags_follow_what_images_are_made_of(tree: Path, path: str, expected: set[str]) -> None:
    assert changed(tree, path) == expected


def test_another_base_is_another_tag_for_all(tree: Path) -> None:
    one, two = build_references(tree, "base:1"), build_references(tree, "base:2")

    assert all(one[name] != two[name] for name in NAMES)


def test_the_same_tree_elsewhere_has_the_same_tags(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree, tmp_path / "elsewhere")

    assert build_references(tmp_path / "elsewhere", "base:1") == build_references(tree, "base:1")


def test_an_unchanged_tree_builds_nothing(tree: Path, tmp_path: Path) -> None:
    engine = FakeEngine()

    first = build_images(engine, tree, tmp_path, QuietReporter())
    again = build_images(engine, tree, tmp_path, QuietReporter())

    assert again == first
    assert [image.name for image in first] == NAMES
    assert len(engine.built) == len(NAMES)


def test_of_many_versions_the_newest_are_kept(tree: Path, tmp_path: Path) -> None:
    engine = FakeEngine()
    versions = []

    for version in range(6):
        (tree / "operator/version").write_text(str(version), "utf-8")
        operator, *_ = build_images(engine, tree, tmp_path, QuietReporter())
        versions.append(operator.reference)

    assert engine.tags("localhost/streamwarden/operator") == versions[:1:-1]
    assert len(engine.tags("localhost/streamwarden/agent")) == 1


def test_an_image_is_built_on_the_one_of_the_same_tree(tree: Path, tmp_path: Path) -> None:
    engine = FakeEngine()

    build_images(engine, tree, tmp_path, QuietReporter())

    orders = {order.reference.partition(":")[0].rpartition("/")[2]: order for order in engine.built}
    assert orders["phishing-example"].arguments["AGENT"] == orders["agent"].reference
    assert orders["operator"].arguments == {"BASE": "localhost/base:1"}


def test_settings_are_lent_for_the_time_of_a_build(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:secret@mirror.test/simple")
    engine = FakeEngine()

    build_images(engine, tree, tmp_path, QuietReporter())

    assert "mirror.test" in engine.lent["pip_conf"]
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "secret@" in path.read_text("utf-8")]


def test_only_what_the_node_lacks_is_loaded(tree: Path, tmp_path: Path) -> None:
    engine = FakeEngine()
    node = FakeNode(engine)
    references = [image.reference for image in build_images(engine, tree, tmp_path, QuietReporter())]
    node.images.add(references[0])

    for _ in range(2):
        load_images(cast("Provider", node), references, tmp_path, QuietReporter())

    assert engine.saved == references[1:]
    assert node.images == set(references)


@pytest.mark.parametrize(("text", "expected"), [("229 MB", 229_000_000), ("1.05 GB", 1_050_000_000), ("12 B", 12)])
def test_a_size_is_read_as_buildah_prints_it(text: str, expected: int) -> None:
    assert parse_size(text) == expected


def test_docker_and_buildah_get_the_same_options() -> None:
    order = Order("r:1", Path("D"), Path(), "gate", {"BASE": "b"}, {"pip_conf": Path("p")})

    assert " ".join(order.options()) == "-t r:1 -f D --target gate --build-arg BASE=b --secret id=pip_conf,src=p ."


def test_the_later_configuration_of_pip_wins_and_the_environment_over_all() -> None:
    merged = build_configuration(
        ["[global]\nindex-url = https://a.test\ntimeout = 5\n", "[global]\nindex-url = https://b.test\n"],
        {"PIP_INDEX_URL": "https://c.test"},
    )

    assert merged.split() == ["[global]", "index-url", "=", "https://c.test", "timeout", "=", "5"]


def test_files_of_this_machine_are_left_out_of_pips_configuration() -> None:
    merged = build_configuration(["[global]\ncert = /here/ca.crt\nfind-links = /here\n"], {"PIP_FIND_LINKS": "/here"})

    assert "/here" not in merged


def test_pips_configuration_is_found_where_pip_looks(tmp_path: Path) -> None:
    own, named = tmp_path / ".config/pip/pip.conf", tmp_path / "named.conf"
    own.parent.mkdir(parents=True)
    own.touch()
    named.touch()

    found = configuration_files({"PIP_CONFIG_FILE": str(named)}, tmp_path)

    assert found[-2:] == (own, named)


def test_the_certificates_that_are_named_are_found_first(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.crt"
    bundle.touch()

    assert find_certificates({"PIP_CERT": "/gone", "SSL_CERT_FILE": str(bundle)}) == bundle


def test_the_repository_is_found_from_a_folder_inside_of_it() -> None:
    assert find_source_tree(ROOT / "docs") == ROOT


@pytest.mark.parametrize("dockerfile", sorted({image.dockerfile for image in IMAGES}))
def test_a_dockerfile_takes_wheels_with_hashes_only(dockerfile: str) -> None:
    text = (ROOT / dockerfile).read_text("utf-8")
    installs = [line for line in text.replace("\\\n", " ").split("&&") if "pip install" in line or " install " in line]

    assert installs
    for line in installs:
        assert "--only-binary :all: --require-hashes" in " ".join(line.split()) or "--no-index" in line


@pytest.mark.parametrize(
    "dockerfile", ["operator/Dockerfile", "agent_image/sdk/Dockerfile", "agent_image/gate/Dockerfile"]
)
def test_an_image_runs_as_a_user_without_rights(dockerfile: str) -> None:
    assert "\nUSER 10001:10001\n" in (ROOT / dockerfile).read_text("utf-8")


@pytest.mark.parametrize("lock", ["operator", "sdk", "gate", "build", "examples"])
def test_a_lock_names_no_address(lock: str) -> None:
    assert "://" not in (ROOT / f"requirements/{lock}.lock").read_text("utf-8")
