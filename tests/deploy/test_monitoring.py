"""Alerts and board ask for metrics that there are, by labels that these have, in queries that can be read."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from syncline_bridge.edge.metrics import HttpMetrics, Routes
from syncline_server.rpc.metrics import Metrics

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
BOARD = ROOT / "deploy/grafana/board.json"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",), "info": ("_info",)}
NAME = re.compile(r"\b(?:syncline|process|python)_\w+")
SELECTOR = re.compile(r"\b((?:syncline|process|python)_\w+)(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\bby \(([^)]*)\)")
OF_SCRAPES = {"instance", "job", "le"}
"""Labels that Prometheus gives, and buckets have."""


def known() -> dict[str, set[str]]:
    """Return all names that are exposed, with their labels."""
    of_bridge = HttpMetrics(Routes([]), lambda: 0, "0")
    python = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=python)
    names: dict[str, set[str]] = {}
    for registry in (Metrics().registry, of_bridge.registry):
        for collector in set(registry._collector_to_names):
            labels = set(getattr(collector, "_labelnames", ()))
            for family in collector.describe() if hasattr(collector, "describe") else ():
                for suffix in SUFFIXES.get(family.type, ("",)):
                    names.setdefault(f"{family.name}{suffix}", set()).update(labels)
    for family in python.collect():
        for sample in family.samples:
            names.setdefault(sample.name, set()).update(sample.labels)
    return names


KNOWN = known()


def alerts() -> list[dict[str, Any]]:
    loaded = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(BOARD.read_text(encoding="utf-8"))["panels"]
    return found


def queries() -> Iterator[tuple[str, str]]:
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]


QUERIES = dict(queries())


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_asks_for_what_there_is(query: str):
    text = QUERIES[query]
    assert NAME.findall(text)
    labels: set[str] = set()
    for name, selector in SELECTOR.findall(text):
        assert name in KNOWN
        labels |= KNOWN[name]
        for matcher in filter(None, selector.split(",")):
            assert re.split(r"[=!]", matcher.strip())[0] in KNOWN[name] | OF_SCRAPES
    for group in GROUPED.findall(text):
        assert {one.strip() for one in group.split(",")} <= labels | OF_SCRAPES


@pytest.mark.parametrize("query", QUERIES)
def test_the_brackets_of_a_query_are_closed(query: str):
    open_ones: list[str] = []
    for character in re.sub(r'"[^"]*"', "", QUERIES[query]):
        if character in "([{":
            open_ones.append(character)
        elif character in ")]}":
            assert open_ones.pop() + character in {"()", "[]", "{}"}
    assert not open_ones


def test_each_metric_of_ours_is_on_the_board_or_in_an_alert():
    asked = {name for text in QUERIES.values() for name in NAME.findall(text)}
    stems = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in KNOWN if name.startswith("syncline_")}
    assert ours - stems == {"syncline_waiting_bytes"}


def test_an_alert_says_what_is_wrong_and_what_to_look_at():
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names))
    for rule in alerts():
        assert rule["labels"]["severity"] in {"page", "ticket", "info"}
        assert rule["annotations"].keys() == {"summary", "description"}
        shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        aggregated = "sum(" in rule["expr"] or "max(" in rule["expr"]
        assert not shown or not aggregated, rule["alert"]


def test_panels_stand_beside_each_other():
    taken = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        taken |= cells
    assert max(x for x, _ in taken) == 23


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_alerts():
    checked = subprocess.run(["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
