"""What the policy version of an application says about how the file is handled."""

from __future__ import annotations

from services.incentives.eligibility.versions import in_force
from shared.errors import Fault, Invalid
from shared.records.workflow import Context, Image

POLICIES = "policies"
MOST_VERSIONS = 1_000


def policy_of(application: Image, context: Context) -> Image:
    """The version that the application was submitted under, before that the one in force. Raises Invalid."""
    code, number = application["policy_code"], application.get("policy_version")
    versions = context.work.matching(POLICIES, {"policy_code": code}, by="version_no", limit=MOST_VERSIONS)
    if number is not None:
        found = [version for version in versions if version["version_no"] == number]
    else:
        found = in_force(versions, context.today.isoformat())
    if not found:
        message = "该政策当前无有效版本 the policy has no version in force today" if versions else "没有该政策 no such policy"
        raise Invalid(message, faults=[Fault("/policy_code", "not_in_force" if versions else "unknown", message)])
    return found[0]


def version_on(code: str, day: str, context: Context) -> Image | None:
    """The version that was in force on a day, else the one of today, if any."""
    versions = context.work.matching(POLICIES, {"policy_code": code}, by="version_no", limit=MOST_VERSIONS)
    found = in_force(versions, day) or in_force(versions, context.today.isoformat())
    return next((version for version in found if version["policy_code"] == code), None)


def title(policy: Image) -> dict[str, str]:
    """Its name, zh and en."""
    return dict(policy["title"])
