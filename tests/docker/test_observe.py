"""What the compose profile `observe` is made of: Prometheus, its alerts, Grafana's dashboard."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from app.errors import NotReady, Overloaded, ShuttingDown, all_errors
from app.reload import MAX_RETRY_SECONDS
from app.telemetry import Metrics
from tests.docker.observe import DASHBOARD, FOLDER, ROOT, alerts, expressions, selectors

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OBSERVE = {name: one for name, one in SERVICES.items() if one.get("profiles") == ["observe"]}
HARDENED = ("restart", "read_only", "cap_drop", "security_opt", "tmpfs", "logging")

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="no promtool: it comes with Debian's package prometheus",
)


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], cwd=ROOT, capture_output=True, text=True)


@needs_promtool
def test_prometheus_takes_its_configuration_and_the_rules() -> None:
    said = promtool("check", "config", "--lint-fatal", "docker/observe/prometheus.yml")
    assert said.returncode == 0, said.stdout + said.stderr
    assert f"{len(alerts())} rules found" in said.stdout


@needs_promtool
@pytest.mark.slow
def test_alerts_fire_when_they_should_and_at_no_other_time() -> None:
    said = promtool("test", "rules", "tests/docker/alerts_test.yml")
    assert said.returncode == 0, said.stdout + said.stderr


def test_a_refused_model_is_looked_for_longer_than_it_is_left_alone() -> None:
    """Else the alert would end and come again with every try."""
    expression = alerts()["GarmentModelNotTaken"]["expr"]
    minutes = [int(found) for found in re.findall(r"\[(\d+)m:", expression)]
    assert len(minutes) == 2
    assert min(minutes) * 60 > 1.25 * MAX_RETRY_SECONDS


@pytest.mark.parametrize(
    "expression",
    [alerts()["GarmentErrors"]["expr"], expressions()["Failed A"]],
    ids=["alert", "dashboard"],
)
def test_photos_that_fail_in_a_batch_are_counted_by_all_their_codes(expression: str) -> None:
    [pattern] = set(re.findall(r'code=~"([^"]+)"', expression))
    counted = {error for error in all_errors() if re.fullmatch(pattern, error.code)}
    failures = {error for error in all_errors() if error.status >= 500}
    assert counted == failures - {NotReady, Overloaded, ShuttingDown}  # of whole requests


def test_every_alert_is_tested_and_explained() -> None:
    tests = yaml.safe_load((ROOT / "tests/docker/alerts_test.yml").read_text())["tests"]
    fired = {
        case["alertname"] for one in tests for case in one["alert_rule_test"] if case["exp_alerts"]
    }
    assert fired == alerts().keys()
    for rule in alerts().values():
        assert rule["annotations"].keys() == {"summary", "description"}
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_every_metric_is_shown_and_nothing_else_is_asked_for() -> None:
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", Metrics().text().decode(), re.MULTILINE))
    parts = {"histogram": ("_bucket", "_sum", "_count")}
    metric_of = {name + part: name for name in types for part in parts.get(types[name], ("",))}
    asked = {selector.split("{")[0] for selector in selectors()}
    assert asked - metric_of.keys() == {"up", "ALERTS"}
    ours = {name for name in types if name.startswith("garment_") and not name.endswith("_created")}
    assert ours - {metric_of.get(name) for name in asked} == set()


def test_every_selector_names_the_job() -> None:
    """Another program's `up` or `process_...` is none of ours."""
    others = {one for one in selectors() if 'job="garment-classifier"' not in one}
    assert others == {'ALERTS{alertname=~"Garment.*"}'}  # most have the job no more
    assert all(name.startswith("Garment") for name in alerts())
    for expression in expressions().values():
        assert "ALERTS" in expression or 'service=~"$service"' in expression


def test_panels_have_queries_and_places_of_their_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["description"]
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters)
        assert all(target["expr"] for target in panel["targets"])
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    for one, other in itertools.combinations(panels, 2):
        assert not overlap(one["gridPos"], other["gridPos"]), (one["title"], other["title"])


def overlap(a: dict[str, int], b: dict[str, int]) -> bool:
    return all(a[at] < b[at] + b[size] and b[at] < a[at] + a[size] for at, size in ("xw", "yh"))


def test_the_dashboard_finds_its_data_here_and_elsewhere() -> None:
    """By a variable: on Kubernetes the data source has another id."""
    [source] = yaml.safe_load(
        (FOLDER / "grafana/provisioning/datasources/prometheus.yml").read_text()
    )["datasources"]
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["query"] == source["type"] == "prometheus"
    assert source["isDefault"] is True
    used = [panel["datasource"] for panel in DASHBOARD["panels"]]
    used += [target["datasource"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    used.append(variables["service"]["datasource"])
    assert all(one == {"type": "prometheus", "uid": "${datasource}"} for one in used)
    # Where it is: the address of the container, and the folder that the provider reads.
    assert source["url"] == "http://prometheus:9090"
    assert set(OBSERVE["grafana"]["networks"]) & set(OBSERVE["prometheus"]["networks"])
    [provider] = yaml.safe_load(
        (FOLDER / "grafana/provisioning/dashboards/garment-classifier.yml").read_text()
    )["providers"]
    mounted = mounts(OBSERVE["grafana"])
    assert mounted[provider["options"]["path"]] == "./docker/observe/grafana/dashboards"
    home = OBSERVE["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/garment-classifier.json"


def test_prometheus_asks_the_services_that_compose_starts() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    [scrape] = config["scrape_configs"]
    [found] = scrape["dns_sd_configs"]
    assert scrape["job_name"] == "garment-classifier"
    published = {
        name for name, one in SERVICES.items() if any(p.endswith(":8000") for p in ports(one))
    }
    assert (set(found["names"]), found["port"]) == (published, 8000)
    for name in published:
        assert "default" in SERVICES[name].get("networks", ["default"])
    assert "default" in OBSERVE["prometheus"]["networks"]
    mounted = mounts(OBSERVE["prometheus"])
    assert mounted["/etc/prometheus/prometheus.yml"] == "./docker/observe/prometheus.yml"
    assert mounted[f"/etc/prometheus/{config['rule_files'][0]}"] == "./docker/observe/alerts.yml"


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_they_are_as_hardened_as_the_services(name: str) -> None:
    one = OBSERVE[name]
    assert {key: one[key] for key in HARDENED} == {
        key: SERVICES["service"][key] for key in HARDENED
    }
    assert one["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}
    assert re.fullmatch(r"\w+/\w+:v?\d+\.\d+\.\d+", one["image"])
    assert all(port.startswith("${BIND_ADDRESS:-127.0.0.1}:") for port in ports(one))
    for target, source in mounts(one).items():
        if source.startswith("./"):
            assert (ROOT / source).exists(), target
        else:
            assert source in COMPOSE["volumes"]


def ports(service: dict[str, Any]) -> list[str]:
    return service.get("ports", [])


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Source by target; every file of the repository is read-only."""
    found = {}
    for volume in service["volumes"]:
        source, target, *mode = volume.split(":")
        assert mode == ["ro"] or not source.startswith("./")
        found[target] = source
    return found
