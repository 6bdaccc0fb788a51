"""The Helm chart: linted, rendered with usual values, and each manifest checked against the schemas of Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
import yaml

from tests.deploy.test_files import settings_in_code
from tests.support.processes import ROOT

helm: Final = pytest.importorskip("helm_python", reason="see deploy/requirements-deployment.txt")

CHART: Final = ROOT / "deploy/helm/haravan-tagger"
COMPOSE: Final = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text(encoding="utf-8"))
VERSIONS: Final = ("1.27", "1.31", "1.36")
EVERYTHING: Final[dict[str, Any]] = {
    "image": {"digest": f"sha256:{'a' * 64}", "pullSecrets": [{"name": "registry"}]},
    "settings": {"RETENTION_DAYS": "60"},
    "web": {"autoscaling": {"enabled": True}},
    "worker": {"keda": {"enabled": True}},
    "backup": {"enabled": True, "schedule": "0 3 * * *"},
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls", "annotations": {"a": "b"}},
    "queue": {"enabled": True},
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"a": "b"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
}
OUTSIDE_STORE: Final[dict[str, Any]] = {
    "store": {"enabled": False},
    "networkPolicy": {
        "extraEgress": [{"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}], "ports": [{"port": 6379}]}]
    },
}
SENTINEL: Final = yaml.safe_load((CHART / "values-sentinel.yaml").read_text(encoding="utf-8"))
CLUSTER: Final = yaml.safe_load((CHART / "values-cluster.yaml").read_text(encoding="utf-8"))
VALUES: Final = {
    "defaults": {},
    "everything": EVERYTHING,
    "outside store": OUTSIDE_STORE,
    "sentinel": SENTINEL,
    "cluster": CLUSTER,
}


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    with helm.Chart.load(str(CHART)) as chart:
        files = chart.render(values, name="tagger", namespace="shop")
    texts = (text for name, text in files.items() if name.endswith(".yaml"))
    return [manifest for text in texts for manifest in yaml.safe_load_all(text) if manifest]


def find(manifests: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    [found] = [item for item in manifests if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def pods(manifests: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in manifests:
        if item["kind"] in ("Deployment", "StatefulSet"):
            yield item["spec"]["template"]["spec"]
        elif item["kind"] == "CronJob":
            yield item["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def test_helm_finds_no_error_in_it() -> None:
    found = helm.lint(str(CHART))

    assert found["errors"] == []
    assert {message["error"] for message in found["messages"]} <= {"icon is recommended"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", VALUES)
def test_every_manifest_is_valid(name: str, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate").validate  # not for each process: it takes seconds

    for manifest in render(VALUES[name]):
        if manifest["kind"] != "ScaledObject":  # KEDA's own
            validate(manifest, version, strict=True)


def test_a_misspelled_value_is_refused() -> None:
    with pytest.raises(helm.HelmError, match="webb"):
        render({"webb": {"replicas": 3}})


@pytest.mark.parametrize("name", VALUES)
def test_every_pod_is_read_only_and_without_privileges(name: str) -> None:
    for pod in pods(render(VALUES[name])):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_settings_have_their_names_and_secrets_are_referred_to() -> None:
    manifests = render(EVERYTHING)
    for part in ("web", "console", "worker"):
        [container] = find(manifests, "Deployment", f"tagger-{part}")["spec"]["template"]["spec"][
            "containers"
        ]
        names = {item["name"] for item in container["env"]}
        assert names - settings_in_code() == {"STORE_PASSWORD"}
        assert container["envFrom"] == [{"secretRef": {"name": "haravan-tagger"}}]
    assert not [item for item in manifests if item["kind"] == "Secret"]


def test_a_backup_reaches_the_store_and_is_kept() -> None:
    manifests = render(EVERYTHING)
    [container] = find(manifests, "CronJob", "tagger-backup")["spec"]["jobTemplate"]["spec"]["template"][
        "spec"
    ]["containers"]
    [selector] = find(manifests, "NetworkPolicy", "tagger")["spec"]["podSelector"]["matchExpressions"]
    claim = find(manifests, "PersistentVolumeClaim", "tagger-backups")

    assert "backup" in selector["values"]
    assert "REDIS_URL" in {item["name"] for item in container["env"]}
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert not [item for item in render({}) if item["kind"] == "CronJob"]


def test_webhooks_go_to_web_and_everything_else_to_the_console() -> None:
    manifests = render(EVERYTHING)
    [rule] = find(manifests, "Ingress", "tagger")["spec"]["rules"]

    assert [(path["path"], path["backend"]["service"]["name"]) for path in rule["http"]["paths"]] == [
        ("/webhooks/", "tagger-web"),
        ("/", "tagger-console"),
    ]


def test_selectors_meet_the_pods_they_are_for() -> None:
    manifests = render(EVERYTHING)
    labels = [
        item["spec"]["template"]["metadata"]["labels"]
        for item in manifests
        if item["kind"] in ("Deployment", "StatefulSet")
    ]
    for item in manifests:
        if item["kind"] in ("Service", "PodDisruptionBudget"):
            selector = item["spec"]["selector"]
            selector = selector.get("matchLabels", selector)
            assert len([pod for pod in labels if selector.items() <= pod.items()]) == 1, item["metadata"]


def test_the_store_starts_as_the_one_of_compose() -> None:
    manifests = render({})
    [container] = find(manifests, "StatefulSet", "tagger-store")["spec"]["template"]["spec"]["containers"]
    ours = COMPOSE["services"]["store"]

    assert container["image"] == ours["image"]
    assert container["command"][2].replace(
        "/run/secrets/store/STORE_PASSWORD", "/run/secrets/store_password"
    ) == ours["command"][2].replace("$$", "$")


def test_the_store_has_the_configuration_and_the_repair_of_this_project() -> None:
    data = find(render({"store": {"maxMemory": "3gb"}}), "ConfigMap", "tagger-store")["data"]

    assert data["redis.conf"].strip().endswith("maxmemory 3gb")
    assert (ROOT / "deploy/redis.conf").read_text(encoding="utf-8").strip() in data["redis.conf"]
    assert data["repair-aof"].strip() == (ROOT / "deploy/repair-aof").read_text(encoding="utf-8").strip()


def test_what_is_scaled_has_no_number_of_its_own() -> None:
    manifests = render(EVERYTHING)

    assert "replicas" not in find(manifests, "Deployment", "tagger-web")["spec"]
    assert "replicas" not in find(manifests, "Deployment", "tagger-worker")["spec"]
    assert find(manifests, "Deployment", "tagger-console")["spec"]["replicas"] == 1


@pytest.mark.parametrize("values", [SENTINEL, CLUSTER], ids=["sentinel", "cluster"])
def test_with_several_servers_the_wake_ups_have_a_redis_of_their_own(values: dict[str, Any]) -> None:
    manifests = render(values)
    [container] = find(manifests, "Deployment", "tagger-worker")["spec"]["template"]["spec"]["containers"]
    environment = {item["name"]: item.get("value") for item in container["env"]}

    assert "REDIS_URL" not in environment  # the Secret has it
    assert environment["QUEUE_URL"] == "redis://:$(STORE_PASSWORD)@tagger-queue:6379/0"
    assert find(manifests, "NetworkPolicy", "tagger-queue")
    assert not [item for item in manifests if item["kind"] == "StatefulSet"]
