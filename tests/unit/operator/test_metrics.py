"""What Prometheus is told: every metric with its type, and no label that grows with what people make."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families
from streamwarden_cli.generated import reference
from streamwarden_operator.metrics import FAMILIES, LEADER, QUEUE_DEPTH, RECONCILE_SECONDS, RECONCILES, Metrics

if TYPE_CHECKING:
    from streamwarden_operator.metrics import Family

PAGE = reference.pages()["metrics.md"]


def test_what_is_counted_and_what_is_read_are_told_with_their_labels() -> None:
    metrics = Metrics()
    metrics.count(RECONCILES, "Policy", "success")
    metrics.count(RECONCILES, "Policy", "success")
    metrics.observe(RECONCILE_SECONDS, 0.3, "Policy")
    metrics.read(QUEUE_DEPTH, lambda: [(("first", "Policy"), 3)])
    metrics.read(LEADER, lambda: [((), 1)])
    told = metrics.render().decode()
    assert 'streamwarden_operator_reconciles_total{kind="Policy",result="success"} 2.0' in told
    assert 'streamwarden_operator_reconcile_duration_seconds_bucket{kind="Policy",le="0.25"} 0.0' in told
    assert 'streamwarden_operator_reconcile_duration_seconds_bucket{kind="Policy",le="0.5"} 1.0' in told
    assert 'streamwarden_operator_queue_depth{kind="Policy",priority="first"} 3.0' in told
    assert "streamwarden_operator_leader 1.0" in told
    assert "process_resident_memory_bytes" in told


def test_a_gauge_is_read_anew_whenever_prometheus_asks() -> None:
    metrics, depth = Metrics(), [1.0]
    metrics.read(LEADER, lambda: [((), depth[0])])
    assert "streamwarden_operator_leader 1.0" in metrics.render().decode()
    depth[0] = 0.0
    assert "streamwarden_operator_leader 0.0" in metrics.render().decode()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_metric_is_told_with_type_and_meaning_and_stands_on_its_page(family: Family) -> None:
    metrics = Metrics()
    if family.type == "gauge":
        metrics.read(family, list)
    told = {found.name: found for found in text_string_to_metric_families(metrics.render().decode())}
    name = family.full_name.removesuffix("_total")
    assert (told[name].type, told[name].documentation) == (family.type, family.meaning)
    row = next(line for line in PAGE.splitlines() if f"`{family.full_name}`" in line)
    assert f"| {family.type} |" in row
    for label, values in family.labels.items():
        assert f"`{label}`: " in row
        assert values


def test_names_are_as_prometheus_demands_and_no_label_is_a_name() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        assert re.fullmatch(r"[a-z_]+", family.name)
        assert (family.type == "counter") == family.name.endswith("_total")
        assert (family.type == "histogram") == bool(family.buckets)
        assert not set(family.labels) & {"namespace", "name", "agent", "policy", "topic", "pod", "user", "group"}
