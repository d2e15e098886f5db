"""Who may not act on a file although the role allows it (domain rules S1 to S6, S10): checked by actor, never by role."""

from __future__ import annotations

from collections.abc import Mapping

from services.incentives.eligibility.versions import editors
from shared.auth.roles import Role
from shared.errors import Fault, Forbidden
from shared.records.workflow import Context, Image

# action -> actions whose hands must be other ones
APART: Mapping[str, tuple[str, ...]] = {
    "accept": ("submit", "post"),  # S1
    "return": ("submit", "post"),
    "reject": ("submit", "post"),
    "review": ("submit", "post", "accept"),  # S1, S2
    "propose": ("submit", "post", "accept"),
    "publish": ("submit", "post", "accept", "review", "propose"),  # the approver signs what another proposed
    "resolve": ("*",),  # a handler who had nothing to do with the file before
    "approve": ("submit", "post", "accept", "review", "propose", "approve"),  # S2; with several approvers each another
    "order_payment": ("submit", "post", "approve"),  # S3
    "release_payment": ("submit", "post", "approve", "order_payment"),
    "confirm_payment": ("submit", "post", "approve"),
    "order_clawback": ("submit", "post", "approve"),  # S4
    "record_recovery": ("submit", "post", "order_clawback"),
    "write_off": ("submit", "post", "order_clawback"),
}


def check(image: Image, action: str, context: Context, policy: Image | None) -> None:
    """Refuse a hand that must be another one. Raises Forbidden with the rule's name in its fault."""
    actor = context.principal.actor
    apart = APART.get(action, ())
    if image["state"] == "objection" and action == "reject":
        apart = ("*",)
    if any(hand["actor"] == actor for hand in image.get("hands") or () if "*" in apart or hand["action"] in apart):
        _refuse("same_hand", "须由他人办理 another person must do this: you already acted on this file")
    if action in APART or action in ("suspend", "resume", "revoke"):
        if actor in {interest["actor"] for interest in image.get("interests") or ()}:
            _refuse("interest_declared", "您已申报利害关系, 应当回避 you declared an interest in this file")
        if context.principal.enterprise and context.principal.enterprise in (image.get("uscc"), image.get("employer_uscc")):
            _refuse("interest_own_enterprise", "本单位事项应当回避 the file is your own enterprise's")
        if policy is not None and actor in editors(policy):
            _refuse("policy_editor", "政策制定人不得办理该政策的申请 who wrote the policy does not process files under it (S6)")


def check_town(image: Image, context: Context) -> None:
    """A town's reviewer acts on the own town's files only (S10)."""
    if not context.principal.has(Role.TOWN_REVIEWER) or image.get("town_code") != context.principal.town:
        _refuse("other_town", "只能办理本镇街事项 only files of the own town")


def _refuse(code: str, message: str) -> None:
    raise Forbidden(message, faults=[Fault("/action", code, message)])
