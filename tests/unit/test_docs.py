"""What the documentation says of the tree and its words is so."""

import os
import re
from pathlib import Path

import pytest
import yaml
from streamwarden_contract.models import KINDS
from streamwarden_contract.names import AgentNames, NamespaceNames
from streamwarden_operator.desired.topics import DAY_MS, build_decision_topic, build_shared_topics
from support.operate_page import command

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MEMBERS_PAGES = [*ROOT.glob("*/README.md"), *ROOT.glob("agent_image/*/README.md")]
PAGES = sorted({*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *(ROOT / "changelog.d").glob("*.md"), *MEMBERS_PAGES})
GLOSSARY = (DOCS / "glossary.md").read_text(encoding="utf-8")
OPERATOR = (DOCS / "operator.md").read_text(encoding="utf-8")
PRIVATE_WORDS = re.compile(r"\b(ledger|meeting|lab)\b", re.IGNORECASE)


def test_the_glossary_has_every_kind_and_condition() -> None:
    words = {kind.__name__ for kind in KINDS} | {condition for kind in KINDS for condition in kind.conditions}
    assert sorted(word for word in words if f"`{word}`" not in GLOSSARY) == []


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md", "CONTRIBUTING.md"])
def test_the_glossary_is_found_from(page: str) -> None:
    assert "glossary.md)" in (ROOT / page).read_text(encoding="utf-8")


def test_each_page_is_found_from_the_first_ones() -> None:
    first = "".join((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "CONTRIBUTING.md"))
    assert [page.name for page in sorted(DOCS.glob("*.md")) if f"(docs/{page.name}" not in first] == []


def test_rights_of_the_operator_are_told() -> None:
    told = OPERATOR.split("\n### Rights\n", 1)[1].split("\n## ", 1)[0]
    documents = [
        *yaml.safe_load_all("\n---\n".join(file.read_text() for file in (ROOT / "config/rbac").glob("*role.yaml")))
    ]
    rules = [rule for document in documents for rule in document.get("rules", ())]
    resources = {
        name.split("/")[0] for rule in rules if rule["apiGroups"] != ["streamwarden.io"] for name in rule["resources"]
    }
    assert "leases" in resources
    assert sorted(name for name in resources if not re.search(rf"\b{name[:-1]}", told, re.IGNORECASE)) == []


def test_no_secret_is_said_to_lie_in_git() -> None:
    page = (DOCS / "operate.md").read_text(encoding="utf-8").split("\n## Backup\n", 1)[1].split("\n## ", 1)[0]
    in_git = [line for line in page.splitlines() if "| in Git" in line]
    assert in_git
    assert [line for line in in_git if "`streamwarden-kafka`" in line or "credentials" in line] == []


def test_the_overlay_of_a_namespace_leads_to_its_base() -> None:
    folder, base = re.search(r"-k (my-[\w/-]+)", OPERATOR), re.search(r"resources: \[(\S*config/namespace)\]", OPERATOR)
    assert folder is not None
    assert base is not None
    assert os.path.normpath(f"{folder[1]}/{base[1]}") == "config/namespace"


@pytest.mark.slow
def test_words_that_the_glossary_replaces_are_nowhere() -> None:
    read = [*PAGES, *ROOT.glob("*/src/**/*.py"), *ROOT.glob("agent_image/*/src/**/*.py"), *ROOT.glob("crds/*.yaml")]
    assert len(read) > len(PAGES)
    found = [path for path in read if PRIVATE_WORDS.search(path.read_text(encoding="utf-8"))]
    assert found == []


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading of docs/architecture.md."""
    section = (
        (DOCS / "architecture.md").read_text(encoding="utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    )
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_every_folder_with_code_is_in_the_table_of_modules_once() -> None:
    files = [*ROOT.glob("*/src/**/*.py"), *ROOT.glob("agent_image/*/src/**/*.py")]
    listed = [cells[0].strip("`") for cells in rows("The modules")]
    assert len(listed) == len(set(listed))
    assert set(listed) == {f"{path.parent.relative_to(ROOT).as_posix()}/" for path in files}


def test_a_webhook_is_spoken_of_only_where_one_is_installed() -> None:
    said = [DOCS / "dev.md", *ROOT.glob("cli/src/**/*.py")]
    installed = [path for path in ROOT.glob("config/**/*.yaml") if "WebhookConfiguration" in path.read_text("utf-8")]
    assert [path for path in said if "webhook" in path.read_text("utf-8") and not installed] == []


def test_sizing_names_what_the_operator_s_pod_may_have() -> None:
    page = (DOCS / "operate.md").read_text(encoding="utf-8").split("\n## Sizing\n", 1)[1].split("\n## ", 1)[0]
    deployment = yaml.safe_load((ROOT / "config/manager/deployment.yaml").read_text(encoding="utf-8"))
    resources = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert {resources["requests"]["memory"], resources["limits"]["memory"]} <= set(re.findall(r"\b\d+Mi\b", page))
    assert ("cpu" in resources["limits"]) is ("No limit of processor" not in page)


def test_the_readme_says_what_sizing_says_of_a_thousand_agents() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    row = next(line for line in readme.splitlines() if line.startswith("| 1,000 agents"))
    page = (DOCS / "operate.md").read_text(encoding="utf-8").split("\n## Sizing\n", 1)[1]
    last = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ")[-2:] for line in page.splitlines()}
    for what in ("all stand after", "most memory", "the same beyond a bare watch, p99"):
        assert all(figure in row for figure in last[what]), what


def test_the_gate_s_page_has_every_module_of_the_gate() -> None:
    page = (DOCS / "gate.md").read_text(encoding="utf-8")
    table = "".join(line for line in page.splitlines(keepends=True) if line.startswith("| `"))
    modules = {path.name for path in (ROOT / "agent_image/gate/src/streamwarden_gate").glob("*.py")}
    assert modules - set(re.findall(r"`(\w+\.py)`", table)) == {"__init__.py", "__main__.py"}
    assert set(re.findall(r"`(\w+\.py)`", table)) <= modules


def test_agents_are_stopped_for_a_move_by_what_no_operator_undoes() -> None:
    """The scaler gives agents their pods back within seconds (``test_scaler.py``): it has to stand still first."""
    page = (DOCS / "operate.md").read_text(encoding="utf-8").split("\n## Another Kafka\n", 1)[1].split("\n## ", 1)[0]
    typed = re.findall(r"`kubectl scale ([^`]+) --replicas=0`", page)
    assert typed == [
        "deployment/streamwarden-operator -n streamwarden",
        "deployment -n risk -l app.kubernetes.io/managed-by=streamwarden-operator",
    ]


def test_new_things_go_where_something_is() -> None:
    named = [
        path
        for cells in rows("Where new things go")
        for path in re.findall(r"`([a-z_]+/[^`<>]*)`", " ".join(cells[1:]))
    ]
    beside = {"core/", "cli/"}
    assert [path for path in named if path not in beside and not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    "what",
    [
        *("verdict effect", "rate limit", "Avro codec", "metric", "TLS", "LLM agent kind", "command `trace`"),
        *("web console", "credentials of agents", "admission webhook", "stop for all agents", "schema registry"),
    ],
)
def test_a_stranger_finds_where_to_add(what: str) -> None:
    assert len([cells for cells in rows("Where new things go") if what in cells[0]]) == 1


@pytest.mark.parametrize(
    ("what", "file"),
    [
        pytest.param("command `trace`", "cli/src/streamwarden_cli/audit/inventory.py", id="inventory-export"),
        pytest.param("metric", "operator/src/streamwarden_operator/desired/pods.py", id="a-metric-of-the-gate"),
        pytest.param("metric", "operator/src/streamwarden_operator/metrics.py", id="a-metric-of-the-operator"),
        pytest.param("metric", "kafka/src/streamwarden_kafka/outcomes.py", id="how-long-a-request-to-kafka-took"),
        pytest.param(
            "quota", "contract/src/streamwarden_contract/models/agent_deployment.py", id="quotas-of-one-agent"
        ),
        pytest.param("schema registry", "operator/src/streamwarden_operator/settings.py", id="a-login-of-a-registry"),
        pytest.param("TLS", "operator/src/streamwarden_operator/adapters/kafka/logins.py", id="oauthbearer"),
        pytest.param(
            "condition, or a reason", "operator/src/streamwarden_operator/handlers/measuring.py", id="an-incident"
        ),
    ],
)
def test_a_stranger_finds_all_that_a_change_touches(what: str, file: str) -> None:
    (cells,) = (cells for cells in rows("Where new things go") if what in cells[0])
    assert f"`{file}`" in " ".join(cells[1:])


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_of_a_page_lead_to_files_that_exist(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    inside = [target for target in targets if "://" not in target]
    assert [target for target in inside if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_tests_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`(tests/[\w./-]+)`", page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_what_is_said_of_how_long_evidence_is_kept_is_how_topics_are_made() -> None:
    page = (DOCS / "gate.md").read_text(encoding="utf-8").split("\n## How long evidence is kept\n", 1)[1]
    said = {line.split("`")[1]: line for line in page.split("\n## ", 1)[0].splitlines() if line.startswith("| `<ns>.")}
    shared = {topic.name: topic.config for topic in build_shared_topics(NamespaceNames("<ns>"))}
    audit = shared["<ns>.streamwarden.audit"]
    assert f"| {int(audit['retention.ms']) // DAY_MS} days |" in said["<ns>.streamwarden.audit"]
    decisions = build_decision_topic(AgentNames("<ns>", "<agent>"), partitions=1)
    assert f"the last {int(decisions.config['retention.bytes']) >> 30} GiB of each partition" in said[decisions.name]
    kept_by_broker = {name for name, config in shared.items() if not {"retention.ms", "retention.bytes"} & set(config)}
    compacted = {name for name in kept_by_broker if shared[name]["cleanup.policy"] == "compact"}
    assert {name for name in shared if "the broker's default" in said.get(name, "")} == kept_by_broker - compacted
    assert {each for each in compacted if f"`{each}`" in page} == compacted


@pytest.mark.parametrize("heading", ["A lost key", "Restore"])
def test_the_key_can_be_put_back_where_the_operator_has_made_another(heading: str) -> None:
    """Server-side apply refuses another value of what another manager owns, and the operator owns what it has made."""
    line = command(heading, "-f streamwarden-signing-key.json")
    assert {"--server-side", "--force-conflicts"} <= set(line.split())


@pytest.mark.parametrize("what", ["validate", "audit verify", "gate skip"])
def test_the_readme_names_what_people_need_beside_dev(what: str) -> None:
    assert f"`streamwarden {what}" in (ROOT / "README.md").read_text(encoding="utf-8")
