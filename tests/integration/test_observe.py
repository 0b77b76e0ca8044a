"""A real Prometheus reads a real service, and answers what the dashboard and the alerts ask."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from PIL import Image

from tests.app.conftest import encode
from tests.docker.observe import FOLDER, alerts, expressions, filled, selectors
from tests.integration.conftest import free_port
from tests.integration.services import ROOT, Process, started

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="no prometheus: apt install prometheus"
    ),
]

SAMPLE = ROOT / "tests/samples/ankle-boot.png"
START_SECONDS = 60.0
# Small enough for a few photos to fill it.
ROOM = {"GARMENT_MAX_IMAGES_IN_WORK": "4", "GARMENT_MAX_BATCH_IMAGES": "4"}
NO_DATA = "garment_endpoint_failures_total"  # a proxy's
FAILED = 'code=~"endpoint_'  # what no photo gets here; tests/docker/test_observe.py has the codes
# Refused photos are 5xx, and there are more than the alerts allow.
EXPECTED_ALERTS = ("GarmentQueueFull", "GarmentErrors")


@dataclass
class Prometheus:
    """A running server."""

    client: httpx.Client

    def api(self, path: str, **parameters: str) -> Any:
        said = self.client.get(f"/api/v1/{path}", params=parameters).json()
        assert said["status"] == "success", (parameters, said)
        return said["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        return self.api("query", query=expression)["result"]

    def is_ready(self) -> bool:
        try:
            return self.client.get("/-/ready").is_success
        except httpx.TransportError:
            return False

    def wait_for(self, expression: str) -> None:
        """Until it has a result."""
        wait_until(lambda: bool(self.query(expression)), expression)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.2)


@contextmanager
def prometheus(folder: Path, port: int) -> Iterator[Prometheus]:
    """With the project's configuration, but for where the service is, and once a second."""
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(FOLDER / name) for name in config["rule_files"]]
    [scrape] = config["scrape_configs"]
    del scrape["dns_sd_configs"], scrape["relabel_configs"]
    labels = {"service": "service", "namespace": "shop", "pod": "garment-classifier-1"}
    scrape["static_configs"] = [{"targets": [f"127.0.0.1:{port}"], "labels": labels}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    own = free_port()
    command = ["prometheus", f"--config.file={folder}/prometheus.yml"]
    command += [f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{own}"]
    with (folder / "prometheus.log").open("wb") as log:
        popen = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{own}", timeout=30) as client:
            server = Prometheus(client)
            wait_until(server.is_ready, f"ready; see {folder}/prometheus.log")
            yield server
    finally:
        popen.terminate()
        popen.wait(30)


def photos() -> list[bytes]:
    """Of a garment, and of none."""
    plain = [Image.new("RGB", (200, 300), color) for color in ("navy", "white", "olive")]
    return [SAMPLE.read_bytes(), *(encode(image, "JPEG") for image in plain)]


def use(service: Process) -> set[int]:
    """Every kind of request, and more at once than there is room for; the statuses."""
    post = service.client.post
    said = [post("/predict", content=photo) for photo in photos()]
    said.append(post("/predict?explain=true", content=photos()[0]))
    said.append(post("/predict", content=b"no photo"))
    said.append(post("/predict/batch", files=[("files", ("a", one)) for one in photos()[:3]]))
    with ThreadPoolExecutor(16) as pool:
        said += pool.map(lambda _: post("/predict", content=photos()[0]), range(48))
    return {response.status_code for response in said}


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("observe")
    with (
        started(folder / "service.log", ROOM) as service,
        prometheus(folder, service.client.base_url.port or 0) as server,
    ):
        server.wait_for("up == 1")
        assert use(service) == {200, 415, 503}
        # Once more, after they were read: a rate is of what a counter grows while it is looked at.
        server.wait_for('garment_errors_total{code="overloaded"}')
        use(service)
        for name in EXPECTED_ALERTS:
            server.wait_for(f'ALERTS{{alertname="{name}"}}')
        yield server


@pytest.mark.parametrize("name", expressions())
def test_every_query_of_the_dashboard_has_data(observed: Prometheus, name: str) -> None:
    expression = expressions()[name]
    found = observed.query(filled(expression))
    values = [one["value"][1] for one in found]
    numbers = [float(value) for value in values if value != "NaN"]
    assert bool(numbers) == (NO_DATA not in expression)
    assert min(numbers, default=0) >= 0


@pytest.mark.parametrize("selector", sorted(selectors()))
def test_every_series_that_is_named_exists(observed: Prometheus, selector: str) -> None:
    """So that no alert waits for a label or a value that there never is."""
    found = observed.query(filled(selector))
    assert bool(found) != (selector.startswith(NO_DATA) or FAILED in selector)


@pytest.mark.parametrize("name", alerts())
def test_every_alert_is_evaluated(observed: Prometheus, name: str) -> None:
    [group] = observed.api("rules", type="alert")["groups"]
    [rule] = [one for one in group["rules"] if one["name"] == name]
    assert (rule["health"], rule.get("lastError", "")) == ("ok", "")
    assert (rule["state"] == "pending") == (name in EXPECTED_ALERTS)


def test_the_dashboard_can_be_narrowed_to_a_service(observed: Prometheus) -> None:
    assert observed.api("label/service/values", **{"match[]": "up"}) == ["service"]


def test_the_adapter_on_kubernetes_gets_the_queue_of_each_pod(observed: Prometheus) -> None:
    """Its rule, filled in as the adapter does it."""
    path = ROOT / "docker/kubernetes/components/queue-depth/adapter-rules.yaml"
    [rule] = yaml.safe_load(path.read_text())["rules"]["custom"]
    assert observed.query(rule["seriesQuery"])
    query = rule["metricsQuery"].replace("<<.Series>>", rule["name"]["as"])
    pods = 'namespace="shop",pod=~"garment-classifier-1|garment-classifier-2"'
    query = query.replace("<<.LabelMatchers>>", pods).replace("<<.GroupBy>>", "pod")
    [found] = observed.query(query)
    assert found["metric"] == {"pod": "garment-classifier-1"}
    assert float(found["value"][1]) >= 0
