"""Reading manifests: what YAML means to Kubernetes, with the line of every field."""

from pathlib import Path

import pytest
from streamwarden_cli.local.manifests import Problem, Reading, parse_manifests, read_manifests
from streamwarden_operator.desired.yaml_nodes import field_text

HEAD = "apiVersion: streamwarden.io/v1alpha1\nkind: Policy\nmetadata: {name: p}\n"


BOMB = b"a: &a [1,2,3,4,5,6,7,8,9]\n" + b"".join(
    b"%c: &%c [%s]\n" % (letter, letter, b",".join([b"*%c" % (letter - 1)] * 10)) for letter in range(98, 106)
)
RANGE = "spec.x: the integer is out of the range of 64 bits"
HALF = "spec.x: has half of a surrogate pair, which is no character"


def parse(text: str) -> Reading:
    return parse_manifests("policy.yaml", text.encode())


def value_of(text: str) -> object:
    reading = parse(f"{HEAD}spec:\n  x: {text}\n")
    assert reading.problems == ()
    spec = reading.manifests[0].value["spec"]
    assert isinstance(spec, dict)
    return spec["x"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("text", "text"),
        ("5", 5),
        ("-5", -5),
        ("1_000", 1_000),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 15),
        ("0b101", 5),
        ("0", 0),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("Off", False),
        ("y", True),
        ("null", None),
        ("~", None),
        ("None", "None"),
        ("2026-01-31", "2026-01-31"),
        ("1:30", "1:30"),
        ("=", "="),
        ('"5"', "5"),
        ("!!str 5", "5"),
        ("1.2.3", "1.2.3"),
        ("9223372036854775807", 2**63 - 1),
        ("|\n    two\n    lines", "two\nlines\n"),
    ],
)
def test_a_scalar_is_what_it_is_to_kubernetes(text: str, value: object) -> None:
    found = value_of(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("spec: {a: 1, a: 2}", "spec.a: is there twice", id="a-repeated-key"),
        pytest.param("spec:\n  'a': 1\n  a: 2", "spec.a: is there twice", id="a-key-repeated-in-quotes"),
        pytest.param("kind: Policy", "kind: is there twice", id="a-repeated-key-at-the-top"),
        pytest.param("spec: {1: a}", "spec: the key '1' is not a string: put it in quotes", id="a-number-as-key"),
        pytest.param("spec: {on: a}", "spec: the key 'on' is not a string: put it in quotes", id="a-boolean-as-key"),
        pytest.param("spec: {[a]: b}", "spec: the key is not a string: put it in quotes", id="a-list-as-key"),
        pytest.param("spec: {x: 9223372036854775808}", RANGE, id="F58-2-to-the-63"),
        pytest.param("spec: {x: " + "1" * 5_000 + "}", RANGE, id="F58-5000-digits"),
        pytest.param("spec: {x: .inf}", "spec.x: '.inf' is no number that JSON can carry", id="F58-infinity"),
        pytest.param("spec: {x: .nan}", "spec.x: '.nan' is no number that JSON can carry", id="F58-nan"),
        pytest.param("spec: {x: 1e999}", "spec.x: '1e999' is no number that JSON can carry", id="F58-1e999"),
        pytest.param(
            "spec: {x: !!int abc}", "spec.x: 'abc' is no integer: put it in quotes if it is text", id="a-tag-that-lies"
        ),
        pytest.param('spec: {x: "\\ud800"}', HALF, id="F58-a-lone-surrogate"),
        pytest.param(
            "spec: {x: !secret a}", "spec.x: the YAML tag '!secret' is not understood", id="a-tag-of-another-tool"
        ),
        pytest.param("spec: {x: !!python/object/apply:os.system [a]}", None, id="a-tag-that-runs-code"),
        pytest.param("spec: {<<: 5}", "spec: << takes mappings only", id="a-merge-of-a-number"),
    ],
)
def test_what_could_be_understood_in_two_ways_is_a_problem(text: str, message: str | None) -> None:
    reading = parse(f"{HEAD}{text}\n")
    if message is None:
        assert reading.manifests[0].value["spec"] == {"x": ["a"]}
        return
    assert reading.manifests == ()
    assert [str(problem).split(": ", 1)[1] for problem in reading.problems] == [message]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        pytest.param(b"a: b\nc: [\n", 3, "not YAML: ", id="an-open-list"),
        pytest.param(b"a: b\n\tc: d\n", 2, "not YAML: ", id="a-tab"),
        pytest.param(b"a: b\nc: *unknown\n", 2, "not YAML: found undefined alias", id="an-unknown-alias"),
        pytest.param(b"a: b\nc: \xff\n", 2, "not YAML: ", id="F58-broken-utf8"),
        pytest.param(b"a: b\nc: \x00\n", 2, "not YAML: ", id="a-zero-byte"),
        pytest.param(b"a: b\nc: " + b"[" * 10_000 + b"]" * 10_000, 2, "nested deeper than 64", id="F56-depth-10000"),
        pytest.param(b"a: b\nc: " + b"[" * 100 + b"]" * 100, 2, "nested deeper than 64", id="F56-depth-100"),
        pytest.param(b"a: &a [*a]\n", 1, "nested deeper than 64", id="an-alias-of-itself"),
        pytest.param(
            BOMB,
            1,
            "more than 100000 values",
            id="a-bomb-of-aliases",
        ),
        pytest.param(b"#" * (4 * 1024 * 1024 + 1), 1, "larger than 4 MiB", id="F19-a-huge-file"),
    ],
)
def test_what_is_no_yaml_has_a_line(data: bytes, line: int, message: str) -> None:
    reading = parse_manifests("policy.yaml", data)
    assert reading.manifests == ()
    assert [(problem.line, problem.message[: len(message)]) for problem in reading.problems] == [(line, message)]


def test_documents_before_a_broken_one_are_kept() -> None:
    reading = parse(f"{HEAD}---\na: [\n")
    assert [manifest.name for manifest in reading.manifests] == ["p"]
    assert len(reading.problems) == 1


def test_each_field_has_its_line() -> None:
    rules = "    - name: a\n      require: >-\n        true\n        && true\n    -\n      name: b\n"
    text = f"# a comment\n---\n{HEAD}spec:\n  rules:\n{rules}"
    manifest = parse(text).manifests[0]
    at = {path: manifest.lines[path] for path in manifest.lines}
    assert manifest.line == 3
    assert at["spec", "rules", 0, "require"] == 9
    assert at["spec", "rules", 1] == 13
    assert at["spec", "rules", 1, "name"] == 13


def test_a_problem_is_shown_with_file_line_and_field() -> None:
    manifest = parse(f"{HEAD}spec:\n  rules:\n    - name: a\n").manifests[0]
    assert str(manifest.problem(("spec", "rules", 0, "name"), "wrong")) == "policy.yaml:6: spec.rules[0].name: wrong"
    assert (
        str(manifest.problem(("spec", "rules", 0, "require"), "missing"))
        == "policy.yaml:6: spec.rules[0].require: missing"
    )
    assert str(manifest.problem(("status",), "missing")) == "policy.yaml:1: status: missing"


def test_an_alias_is_its_value_and_a_merge_gives_way() -> None:
    manifest = parse(f"{HEAD}x: &x {{a: 1, b: 2}}\nspec: {{<<: *x, b: 3}}\nz: {{<<: [{{a: 5}}, *x]}}\n").manifests[0]
    assert manifest.value["spec"] == {"a": 1, "b": 3}
    assert manifest.value["z"] == {"a": 5, "b": 2}


def test_the_path_of_a_field_is_written_as_kubernetes_does() -> None:
    assert field_text(("spec", "rules", 0, "require")) == "spec.rules[0].require"
    assert field_text(("spec", "config", "retention.ms")) == "spec.config[retention.ms]"
    assert field_text(()) == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("kind: ConfigMap\napiVersion: v1\n", "passed over: ConfigMap of v1", id="another-kind"),
        pytest.param(
            "kind: Policy\napiVersion: kyverno.io/v1\n", "passed over: Policy of kyverno.io/v1", id="another-group"
        ),
        pytest.param("services: {web: {}}\n", "passed over: not a Kubernetes resource", id="another-tool"),
        pytest.param("- 1\n", "passed over: not a Kubernetes resource", id="a-list"),
    ],
)
def test_what_is_not_ours_is_passed_over_with_a_note(text: str, message: str) -> None:
    assert parse(text) == Reading(notes=(Problem("policy.yaml", 1, "", message),))
    assert [note.reason for note in parse(text).notes] == ["PassedOver"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "apiVersion: streamwarden.io/v1\nkind: Policy\n",
            "apiVersion: 'streamwarden.io/v1': write streamwarden.io/v1alpha1",
            id="another-version",
        ),
        pytest.param(
            "apiVersion: streamwarden.io/v1alpha1\nkind: Polcy\n",
            "kind: 'Polcy' is no kind of streamwarden.io/v1alpha1: "
            "TopicContract, Policy, AgentDeployment; did you mean 'Policy'?",
            id="another-kind-of-our-group",
        ),
        pytest.param("apiVersion: streamwarden.io/v1alpha1\n", "kind: missing is no kind", id="no-kind"),
        pytest.param(
            "apiversion: streamwarden.io/v1alpha1\nkind: Policy\n",
            "apiVersion: missing: write",
            id="a-misspelt-apiVersion",
        ),
        pytest.param("kind: Policy\nspec: {}\n", "apiVersion: missing: write", id="no-apiVersion"),
    ],
)
def test_what_was_meant_to_be_ours_is_a_problem(text: str, message: str) -> None:
    reading = parse(text)
    assert (reading.manifests, reading.notes) == ((), ())
    assert str(reading.problems[0]).split(": ", 1)[1].startswith(message)


def test_empty_documents_are_nothing() -> None:
    assert parse("---\n---\n# only a comment\n---\n") == Reading()


def test_a_folder_is_read_in_order_without_what_is_hidden(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/c.yml", ".hidden.yaml", ".git/d.yaml", "kustomization.yaml", "notes.txt", "a/.x/e.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(HEAD.replace("name: p", f"name: {path.stem.strip('.')}"), encoding="utf-8")
    reading = read_manifests(tmp_path)
    assert [manifest.name for manifest in reading.manifests] == ["c", "b"]
    assert reading.problems == ()


def test_one_file_can_be_read_alone(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text(HEAD, encoding="utf-8")
    assert [manifest.name for manifest in read_manifests(tmp_path / "p.txt").manifests] == ["p"]


def test_a_file_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    reading = read_manifests(tmp_path / "none.yaml")
    assert [str(problem) for problem in reading.problems] == [
        f"{tmp_path / 'none.yaml'}:1: cannot be read: No such file or directory"
    ]


def test_the_same_resource_twice_names_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(HEAD, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(
        f"# again\n{HEAD.replace('name: p', 'name: p, namespace: default')}", encoding="utf-8"
    )
    reading = read_manifests(tmp_path)
    assert [str(problem) for problem in reading.problems] == [
        f"{tmp_path / 'b.yaml'}:4: metadata.name: Policy default/p is already in {tmp_path / 'a.yaml'}:1"
    ]


def test_the_namespace_is_default_where_it_is_left_out() -> None:
    assert parse(HEAD).manifests[0].key == ("Policy", "default", "p")


LIST = """\
apiVersion: v1
kind: List
items:
- apiVersion: streamwarden.io/v1alpha1
  kind: Policy
  metadata: {name: a}
- {apiVersion: v1, kind: Service}
- apiVersion: streamwarden.io/v1alpha1
  kind: Policy
  metadata:
    name: b
- 5
- apiVersion: v1
  kind: List
  items: [{apiVersion: streamwarden.io/v1alpha1, kind: Polcy}]
"""
JSON = """\
{
\t"apiVersion": "streamwarden.io/v1alpha1",
\t"kind": "Policy",
\t"metadata": {"name": "p", "annotations": {"a": "\\ud83d\\ude00 \\/"}}
}
"""


def test_x63_a_list_is_its_items_each_with_its_own_places() -> None:
    reading = parse(LIST)

    assert [(found.name, found.line) for found in reading.manifests] == [("a", 4), ("b", 8)]
    second = reading.manifests[1]
    assert (second.lines["metadata", "name"], second.columns["metadata", "name"]) == (11, 5)
    misspelt = (
        "policy.yaml:15: kind: 'Polcy' is no kind of streamwarden.io/v1alpha1: "
        "TopicContract, Policy, AgentDeployment; did you mean 'Policy'?"
    )
    assert [str(problem) for problem in reading.problems] == [misspelt]
    assert [str(note) for note in reading.notes] == [
        "policy.yaml:7: passed over: Service of v1",
        "policy.yaml:12: passed over: not a Kubernetes resource",
    ]


def test_x63_each_field_has_its_column() -> None:
    manifest = parse(f"{HEAD}spec:\n  rules:\n    - {{name: a, require: b}}\n").manifests[0]

    assert manifest.columns["spec", "rules", 0, "require"] == 17
    assert manifest.problem(("spec", "rules", 0, "require"), "wrong").column == 17
    assert manifest.problem(("spec", "rules", 0, "nothing"), "missing").column == 7


def test_x64_json_manifests_are_read(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(JSON, encoding="utf-8")

    reading = read_manifests(tmp_path)

    assert (reading.problems, reading.notes) == ((), ())
    manifest = reading.manifests[0]
    assert (manifest.lines["metadata",], manifest.columns["metadata",]) == (4, 2)
    assert manifest.value["metadata"] == {"name": "p", "annotations": {"a": "\N{GRINNING FACE} /"}}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'{"name": "web"}', id="of-another-tool"),
        pytest.param(b'{"a": 1}\n{"a": 2}\n', id="with-an-object-a-line"),
        pytest.param(b"[" * 5_000_000, id="huge"),
    ],
)
def test_x64_json_that_does_not_name_our_group_is_data(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "data.json").write_bytes(data)

    assert read_manifests(tmp_path) == Reading(
        notes=(Problem(str(tmp_path / "data.json"), 1, "", "passed over: does not name streamwarden.io"),)
    )


def test_x64_half_a_character_in_json_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text(JSON.replace("\\ude00", ""), encoding="utf-8")

    assert [problem.message for problem in read_manifests(file).problems] == [
        "has half of a surrogate pair, which is no character"
    ]
