"""What `docker/observe` asks Prometheus: the dashboard's expressions and the alerts'."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docker/observe"
DASHBOARD = json.loads((FOLDER / "grafana/dashboards/garment-classifier.json").read_text())


def expressions() -> dict[str, str]:
    """The dashboard's by the panel's title and the letter of the query."""
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    }


def alerts() -> dict[str, dict[str, Any]]:
    """The alerts' rules by name."""
    [group] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def selectors() -> set[str]:
    """Every series that is chosen somewhere, such as `up{job="garment-classifier"}`."""
    everything = [*expressions().values(), *(rule["expr"] for rule in alerts().values())]
    return {found for one in everything for found in re.findall(r"\w+\{[^}]*\}", one)}


def filled(expression: str, rate_interval: str = "30s") -> str:
    """As Grafana sends it for all services."""
    return expression.replace("$__rate_interval", rate_interval).replace("$service", ".*")
