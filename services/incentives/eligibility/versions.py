"""Which version of a policy holds, who made it, and how many hands an amount needs: what follows from a version alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.records.workflow import Image


def in_force(policies: Iterable[Image], on: str) -> list[Image]:
    """The versions that hold on a day: of each policy the highest signed one that has begun, unless its window is over."""
    newest: dict[str, Image] = {}
    for policy in sorted(policies, key=lambda policy: int(policy["version_no"])):
        if policy["state"] in ("in_force", "closed") and policy["window"]["from"] <= on:
            newest[policy["policy_code"]] = policy  # a later version that was closed does not bring the earlier one back
    open_ = (each for each in newest.values() if each["state"] == "in_force" and on < (each["window"].get("to") or "9999-12-31"))
    return sorted(open_, key=lambda policy: str(policy["policy_code"]))


def editors(policy: Image) -> set[str]:
    """The actors who wrote or signed a version: none of them may process applications under it (S6)."""
    return {hand["actor"] for hand in policy.get("hands") or () if hand["action"] in ("post", "amend", "sign")}


def approvals_needed(policy: Image, amount_fen: int) -> int:
    """How many different approvers an amount needs."""
    bands: list[dict[str, Any]] = policy["approval_bands"]
    return int(next(band["approvals"] for band in bands if band.get("up_to_fen") is None or amount_fen <= band["up_to_fen"]))
