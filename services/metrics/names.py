"""Names of the values of a breakdown: towns and clusters from the plan, everything else from the code lists."""

from __future__ import annotations

from services.metrics.plan.model import Plan
from shared.standards.codes import CODES

Name = dict[str, str]
OWN = {
    "unassigned": {"zh": "未分配", "en": "unassigned"},
    "inside": {"zh": "高新区内", "en": "inside the high-tech zone"},
    "outside": {"zh": "高新区外", "en": "outside the high-tech zone"},
}


class Names:
    """zh and en name of a dimension's value; a value without a name is its own."""

    def __init__(self, plan: Plan) -> None:
        self._towns = {town.code: dict(town.name) for town in plan.towns}
        self._clusters = {code: dict(name) for code, name in plan.clusters.items()}
        self._codes = {entry["code"]: {"zh": entry["zh"], "en": entry["en"]} for entries in CODES.values() for entry in entries}

    def __call__(self, dim: str, key: str) -> Name:
        """For example ("town", "441502001")."""
        if key in OWN:
            return dict(OWN[key])
        if dim == "town" and key in self._towns:
            return dict(self._towns[key])
        if dim == "cluster" and key in self._clusters:
            return dict(self._clusters[key])
        return dict(self._codes.get(key) or {"zh": key, "en": key})
