"""The cluster's manifests, rendered: valid, restricted, complete."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from deploy.local.up import BACKGROUND
from shared.config import read
from shared.events.topics import COMPACTED, TOPICS
from shared.log.kafka_config import KafkaConfig
from tests.deploy.kustomize import Manifest, render

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ROOT / "deploy" / "k8s" / "overlays"
NAMES = ("dev", "prod")
RENDERERS = {"kustomize": ["kustomize", "build"], "kubectl": ["kubectl", "kustomize"]}
SERVED = (["serve", "registry"], ["serve", "incentives"], ["serve", "metrics"], ["serve", "portal"])
KUBERNETES = ("1.31.0", kubernetes_validate.latest_version())  # the oldest that its makers' users still run, and the newest

# What Strimzi's KafkaTopic (kafka.strimzi.io/v1) takes; the topic's own settings are Kafka's.
KAFKA_TOPIC: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "kafka.strimzi.io/v1"}, "kind": {"const": "KafkaTopic"},
        "metadata": {
            "type": "object", "required": ["name", "namespace", "labels"],
            "properties": {
                "name": {"pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"},
                "labels": {"type": "object", "required": ["strimzi.io/cluster"]},
            },
        },
        "spec": {
            "type": "object", "additionalProperties": False,
            "properties": {
                "topicName": {"type": "string"}, "partitions": {"type": "integer", "minimum": 1},
                "replicas": {"type": "integer", "minimum": 1, "maximum": 32767}, "config": {"type": "object"},
            },
        },
    },
}
TOPIC_SETTINGS = {
    "cleanup.policy", "retention.ms", "retention.bytes", "min.insync.replicas", "max.message.bytes",
    "unclean.leader.election.enable",
}


@pytest.fixture(scope="module", params=NAMES)
def overlay(request: pytest.FixtureRequest) -> tuple[str, list[Manifest]]:
    return request.param, render(OVERLAYS / request.param)


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] in kinds]


def pod(each: Manifest) -> Any:
    return each["spec"]["template"]["spec"]


def place(each: Manifest) -> tuple[str, str, str]:
    return each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]


@pytest.mark.parametrize("version", KUBERNETES)
def test_every_manifest_is_what_kubernetes_takes(overlay: tuple[str, list[Manifest]], version: str) -> None:
    _, manifests = overlay
    own = [each for each in manifests if each["kind"] != "KafkaTopic"]
    assert {"Deployment", "Job", "Service", "Ingress", "NetworkPolicy", "ConfigMap", "Namespace"} <= {e["kind"] for e in own}
    for each in own:
        kubernetes_validate.validate(each, version, strict=True)


def test_a_wrong_manifest_would_be_refused(overlay: tuple[str, list[Manifest]]) -> None:
    wrong = dict(of_kind(overlay[1], "Deployment")[0])
    wrong["spec"] = wrong["spec"] | {"replica": 2}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES[-1], strict=True)


def test_the_topics_are_those_of_the_log(overlay: tuple[str, list[Manifest]]) -> None:
    topics = of_kind(overlay[1], "KafkaTopic")
    assert {each["metadata"]["name"] for each in topics} == set(TOPICS)
    for each in topics:
        jsonschema.validate(each, KAFKA_TOPIC)
        assert each["spec"]["config"].keys() <= TOPIC_SETTINGS
        kept = "compact" if each["metadata"]["name"] in COMPACTED else "delete"
        assert each["spec"]["config"]["cleanup.policy"] == kept
        assert kept == "compact" or each["spec"]["config"]["retention.ms"] == -1
        assert each["spec"]["config"]["min.insync.replicas"] <= each["spec"]["replicas"]
    assert len({each["spec"]["partitions"] for each in topics}) == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("command", [pytest.param(c, id=n) for n, c in RENDERERS.items() if shutil.which(n)] or [None])
def test_our_renderer_gives_what_kustomize_gives(name: str, command: list[str] | None) -> None:
    ours = {place(each): each for each in render(OVERLAYS / name)}
    assert len(ours) == len(render(OVERLAYS / name))
    if command is not None:  # without it, only that nothing hides another
        said = subprocess.run([*command, str(OVERLAYS / name)], capture_output=True, text=True, check=True).stdout
        assert ours == {place(each): each for each in yaml.safe_load_all(said)}


def test_our_renderer_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: []\nhelmCharts: []\n")
    with pytest.raises(ValueError, match="helmCharts"):
        render(tmp_path)


def test_every_process_has_a_deployment_of_its_own(overlay: tuple[str, list[Manifest]]) -> None:
    deployed = [pod(each)["containers"][0]["args"] for each in of_kind(overlay[1], "Deployment")]
    for words in [*SERVED, *BACKGROUND.values()]:
        assert words in deployed, f"no Deployment runs kechuang {' '.join(words)}"
    assert [pod(each)["containers"][0]["args"] for each in of_kind(overlay[1], "Job")] == [["migrate"]]


def test_every_pod_keeps_to_the_restricted_standard(overlay: tuple[str, list[Manifest]]) -> None:
    for each in of_kind(overlay[1], "Deployment", "Job"):
        spec = pod(each)
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
        assert all(volume.keys() == {"name", "emptyDir"} for volume in spec["volumes"])


def test_every_deployment_is_probed_on_a_port_that_it_opens(overlay: tuple[str, list[Manifest]]) -> None:
    for each in of_kind(overlay[1], "Deployment"):
        container = pod(each)["containers"][0]
        ports = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] in ports


def test_only_who_seals_personal_fields_is_given_the_keys_for_it(overlay: tuple[str, list[Manifest]]) -> None:
    told = {
        each["metadata"]["name"] for each in of_kind(overlay[1], "Deployment")
        if any("kechuang-keys" in str(source.get("secretRef")) for source in pod(each)["containers"][0]["envFrom"])
    }
    assert told == {"registry", "incentives", "worker-registry", "worker-incentives", "follow-incentives"}


def test_only_who_may_reach_the_store_is_told_how(overlay: tuple[str, list[Manifest]]) -> None:
    (policy,) = (each["spec"] for each in of_kind(overlay[1], "NetworkPolicy") if each["metadata"]["name"] == "store")
    for each in of_kind(overlay[1], "Deployment", "Job"):
        told = any("kechuang-store" in str(source.get("secretRef")) for source in pod(each)["containers"][0]["envFrom"])
        assert told == selected(policy, each["spec"]["template"]["metadata"]["labels"]), each["metadata"]["name"]


def test_what_is_referred_to_is_there(overlay: tuple[str, list[Manifest]]) -> None:
    name, manifests = overlay
    there = {(each["kind"], each["metadata"]["name"]) for each in manifests}
    if name == "prod":  # made by whatever keeps the cluster's secrets
        assert not of_kind(manifests, "Secret")
        there |= {("Secret", "kechuang-store"), ("Secret", "kechuang-keys")}
    for each in of_kind(manifests, "Deployment", "Job"):
        container = pod(each)["containers"][0]
        for source in container["envFrom"]:
            ((reference, named),) = source.items()
            there_too = ("ConfigMap" if reference == "configMapRef" else "Secret", named["name"]) in there
            assert there_too or named.get("optional")
        assert all(("Secret", e["valueFrom"]["secretKeyRef"]["name"]) in there for e in container.get("env", []) if "valueFrom" in e)
        assert ("ServiceAccount", pod(each)["serviceAccountName"]) in there
    for each in of_kind(manifests, "Ingress"):
        for path in each["spec"]["rules"][0]["http"]["paths"]:
            assert ("Service", path["backend"]["service"]["name"]) in there
    for each in of_kind(manifests, "HorizontalPodAutoscaler"):
        assert ("Deployment", each["spec"]["scaleTargetRef"]["name"]) in there


def test_nothing_speaks_unless_a_policy_names_it(overlay: tuple[str, list[Manifest]]) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(overlay[1], "NetworkPolicy")}
    assert policies["default-deny"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    talkers = set(policies["log"]["podSelector"]["matchExpressions"][0]["values"])
    web = {each["metadata"]["name"] for each in of_kind(overlay[1], "Deployment") if each["metadata"]["labels"]["tier"] == "web"}
    assert not talkers & web, "no web process talks to Kafka"
    assert talkers <= {each["metadata"]["name"] for each in of_kind(overlay[1], "Deployment", "Job")}


def selected(policy: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a policy is about the pods with these labels."""
    chosen = policy["podSelector"]
    named = all(labels.get(name) == value for name, value in chosen.get("matchLabels", {}).items())
    return named and all((labels.get(e["key"]) in e["values"]) == (e["operator"] == "In") for e in chosen.get("matchExpressions", []))


def may_reach(policies: list[dict[str, Any]], labels: dict[str, str], direction: str) -> list[dict[str, Any]]:
    """The selectors of whom these pods may speak to ("egress"), or hear ("ingress")."""
    ways = [way for each in policies if selected(each, labels) for way in each.get(direction, [])]
    return [each for way in ways for each in way["to" if direction == "egress" else "from"]]


def test_a_recount_can_reach_the_store_the_log_and_the_feeds_from_one_pod(overlay: tuple[str, list[Manifest]]) -> None:
    policies = [each["spec"] for each in of_kind(overlay[1], "NetworkPolicy")]
    ingest = next(each for each in of_kind(overlay[1], "Deployment") if each["metadata"]["name"] == "ingest")
    labels = ingest["spec"]["template"]["metadata"]["labels"]
    reached = may_reach(policies, labels, "egress")
    assert {"podSelector": {"matchLabels": {"tier": "web"}}} in reached
    assert {label for each in reached for label in each.get("namespaceSelector", {}).get("matchLabels", {})} >= {
        "kechuang/store", "kechuang/log",
    }
    for service in ("registry", "incentives"):
        assert {"podSelector": {"matchLabels": {"app": "ingest"}}} in may_reach(policies, {"app": service, "tier": "web"}, "ingress")


def test_the_pods_of_one_deployment_are_spread(overlay: tuple[str, list[Manifest]]) -> None:
    for each in of_kind(overlay[1], "Deployment"):
        (spread,) = pod(each)["topologySpreadConstraints"]
        assert selected({"podSelector": spread["labelSelector"]}, each["spec"]["template"]["metadata"]["labels"])
        assert "app" in spread["matchLabelKeys"], "else a balance of all pods leaves both of one process on one node"


def test_a_process_makes_topics_as_the_operator_does(overlay: tuple[str, list[Manifest]]) -> None:
    (settings,) = (each["data"] for each in of_kind(overlay[1], "ConfigMap"))
    told = read(KafkaConfig, settings)
    told.check()
    for each in of_kind(overlay[1], "KafkaTopic"):
        name, spec = each["metadata"]["name"], each["spec"]
        made = told.topic(name)
        assert (made["num_partitions"], made["replication_factor"]) == (spec["partitions"], spec["replicas"])
        wanted = {key: str(value) for key, value in spec["config"].items()}
        assert {key: wanted[key] for key in made["configs"]} == made["configs"]


def test_in_production_everything_is_double_and_may_lose_one_at_a_time() -> None:
    manifests = render(OVERLAYS / "prod")
    deployments = {each["metadata"]["name"]: each for each in of_kind(manifests, "Deployment")}
    budgets = {each["metadata"]["name"]: each["spec"] for each in of_kind(manifests, "PodDisruptionBudget")}
    assert budgets.keys() == deployments.keys()
    scaled = {each["metadata"]["name"]: each["spec"] for each in of_kind(manifests, "HorizontalPodAutoscaler")}
    for name, each in deployments.items():
        # A number of its own would be put in the autoscaler's place with every `kubectl apply`.
        assert (scaled[name]["minReplicas"] if name in scaled else each["spec"]["replicas"]) >= 2
        assert ("replicas" in each["spec"]) == (name not in scaled)
        assert budgets[name]["maxUnavailable"] == 1
        assert budgets[name]["selector"] == each["spec"]["selector"]
    partitions = of_kind(manifests, "KafkaTopic")[0]["spec"]["partitions"]
    assert {"registry", "incentives", "metrics", "stream", "portal", "ingest"} <= scaled.keys()
    assert scaled["ingest"]["maxReplicas"] <= partitions
