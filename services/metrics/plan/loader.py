"""Read a plan folder, or refuse it with every fault named."""

from __future__ import annotations

from pathlib import Path

from services.metrics.plan.check import PlanFault, inspect
from services.metrics.plan.model import Plan
from shared.errors import ConfigError


class PlanError(ConfigError):
    """A plan that cannot be used; `plan_faults` says why, by file and line."""

    code = "plan"

    def __init__(self, directory: Path, plan_faults: list[PlanFault]) -> None:
        super().__init__("\n".join([f"the plan in {directory} cannot be used:", *(f"  {fault}" for fault in plan_faults)]))
        self.plan_faults = plan_faults


def load_plan(directory: Path | str) -> Plan:
    """The plan of a folder. Raises PlanError listing all faults."""
    plan, faults = inspect(Path(directory))
    if faults or plan is None:
        raise PlanError(Path(directory), faults)
    return plan
