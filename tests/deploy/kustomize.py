"""Renders what `deploy/k8s` uses of kustomize, and refuses everything else, so that it can never quietly render less.

kustomize itself is a Go program that no Python index carries. `test_manifests.py` compares the two where it is installed.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
FIELDS = frozenset({
    "apiVersion", "kind", "namespace", "resources", "patches", "labels", "images", "replicas", "configMapGenerator",
    "secretGenerator",
})
CLUSTER_WIDE = frozenset({"Namespace"})
MERGE_KEYS = {  # of lists that strategic merge patches by key; all others are replaced
    "containers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath", "ports": "containerPort",
    "topologySpreadConstraints": "topologyKey",
}
HASH_LETTERS = str.maketrans("013ae", "ghkmt")  # kustomize's: no digit or letter that could spell something


def render(folder: Path) -> list[Manifest]:
    """Every manifest of an overlay, the names of its ConfigMaps and Secrets with their hash."""
    manifests = _render(folder)
    renamed = {
        (each["kind"], each["metadata"]["name"]): f"{each['metadata']['name']}-{_hash(each)}"
        for each in manifests if each.pop("_generated", False)
    }
    for each in manifests:
        key = (each["kind"], each["metadata"]["name"])
        each["metadata"]["name"] = renamed.get(key, key[1])
        _rename_references(each, renamed)
    return manifests


def _render(folder: Path) -> list[Manifest]:
    custom = _load(folder / "kustomization.yaml")[0]
    _only(custom, FIELDS, folder)
    manifests: list[Manifest] = []
    for name in custom.get("resources", []):
        path = (folder / name).resolve()
        manifests += _render(path) if path.is_dir() else _load(path)
    _generate(manifests, custom)
    for patch in custom.get("patches", []):
        _patch(manifests, patch, folder)
    for image in custom.get("images", []):
        _only(image, {"name", "newName", "newTag"}, folder)
        for container in _containers(manifests):
            if container["image"] == image["name"]:
                container["image"] = image.get("newName", image["name"]) + (f":{image['newTag']}" if "newTag" in image else "")
    for count in custom.get("replicas", []):
        _only(count, {"name", "count"}, folder)
        (found,) = (each for each in manifests if each["kind"] == "Deployment" and each["metadata"]["name"] == count["name"])
        found["spec"]["replicas"] = count["count"]
    for label in custom.get("labels", []):
        _only(label, {"pairs"}, folder)
        for each in manifests:
            each["metadata"]["labels"] = each["metadata"].get("labels", {}) | label["pairs"]
    if namespace := custom.get("namespace"):
        for each in manifests:
            if each["kind"] not in CLUSTER_WIDE:
                each["metadata"]["namespace"] = namespace
    return manifests


def _load(path: Path) -> list[Manifest]:
    return [found for found in yaml.safe_load_all(path.read_text()) if found]


def _only(given: Manifest, known: frozenset[str] | set[str], where: Path) -> None:
    if unknown := given.keys() - known:
        raise ValueError(f"{where}: this renderer knows nothing of {', '.join(sorted(unknown))}")


def _generate(manifests: list[Manifest], custom: Manifest) -> None:
    for kind in ("ConfigMap", "Secret"):
        for wanted in custom.get(f"{kind[0].lower()}{kind[1:]}Generator", []):
            _only(wanted, {"name", "behavior", "literals"}, Path(kind))
            data = dict(literal.split("=", 1) for literal in wanted["literals"])
            if wanted.get("behavior", "create") == "merge":
                (found,) = (each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, wanted["name"]))
                found["data"] |= data
            else:
                made = {"apiVersion": "v1", "kind": kind, "metadata": {"name": wanted["name"]}, "data": data, "_generated": True}
                manifests.append(made | ({"type": "Opaque"} if kind == "Secret" else {}))


def _hash(each: Manifest) -> str:
    """Of what it holds, the way kustomize does it: a changed setting is a new name, which starts the pods anew."""
    if each["kind"] == "Secret":
        each["data"] = {name: _folded(base64.b64encode(value.encode()).decode()) for name, value in each["data"].items()}
    text = {"data": dict(sorted(each["data"].items())), "kind": each["kind"], "name": ""}
    body = json.dumps(text | ({"type": each["type"]} if "type" in each else {}), separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(body.encode()).hexdigest()[:10].translate(HASH_LETTERS)


def _folded(text: str) -> str:
    """Long values in lines of 70, as kustomize writes them; the hash counts their ends."""
    if len(text) < 70:
        return text
    return "".join(f"{text[at:at + 70]}\n" for at in range(0, len(text), 70))


def _rename_references(node: Any, renamed: dict[tuple[str, str], str]) -> None:
    if isinstance(node, list):
        for item in node:
            _rename_references(item, renamed)
    elif isinstance(node, dict):
        for name, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret"), ("secretKeyRef", "Secret")):
            if isinstance(node.get(name), dict):
                node[name]["name"] = renamed.get((kind, node[name]["name"]), node[name]["name"])
        for value in node.values():
            _rename_references(value, renamed)


def _containers(manifests: list[Manifest]) -> Iterator[Manifest]:
    for each in manifests:
        if each["kind"] in ("Deployment", "Job"):
            yield from each["spec"]["template"]["spec"]["containers"]


def _patch(manifests: list[Manifest], patch: Manifest, folder: Path) -> None:
    _only(patch, {"path", "target"}, folder)
    _only(patch["target"], {"kind", "name", "labelSelector"}, folder)
    content = yaml.safe_load((folder / patch["path"]).read_text())
    targets = [each for each in manifests if _meant(each, patch["target"])]
    if not targets:
        raise ValueError(f"{folder}: the patch {patch['path']} meets nothing")
    for each in targets:
        if isinstance(content, list):
            for operation in content:
                _operate(each, operation)
        else:
            for name in content.keys() - {"apiVersion", "kind", "metadata"}:
                each[name] = _merged(each.get(name, {}), copy.deepcopy(content[name]), name)


def _meant(each: Manifest, target: Manifest) -> bool:
    labels = each["metadata"].get("labels", {})
    wanted = dict(pair.split("=") for pair in target.get("labelSelector", "").split(",") if pair)
    return (
        each["kind"] == target["kind"] and each["metadata"]["name"] == target.get("name", each["metadata"]["name"])
        and all(labels.get(name) == value for name, value in wanted.items())
    )


def _operate(each: Manifest, operation: Manifest) -> None:
    *way, last = operation["path"].strip("/").split("/")
    if operation["op"] != "add" or last.isdigit() or "~" in operation["path"]:
        raise ValueError(f"this renderer cannot {operation}")
    node: Any = each
    for step in way:
        node = node[int(step)] if isinstance(node, list) else node[step]
    node[last] = copy.deepcopy(operation["value"])


def _merged(old: Any, new: Any, name: str) -> Any:
    """A strategic merge patch."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {key: _merged(old[key], value, key) if key in old else value for key, value in new.items()}
    key = MERGE_KEYS.get(name)
    if isinstance(old, list) and isinstance(new, list) and key and all(key in item for item in new):
        known = {item[key]: item for item in old}
        put = {item[key]: _merged(known[item[key]], item, "") if item[key] in known else item for item in new}
        return [item for k, item in put.items() if k not in known] + [put.get(k, item) for k, item in known.items()]
    return new
