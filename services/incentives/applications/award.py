"""How much, and why: the decision with its snapshot, no double benefit, and an override that two persons signed."""

from __future__ import annotations

from datetime import date

from services.incentives.applications.progress import DEAD
from services.incentives.applications.terms import policy_of, title
from services.incentives.eligibility.decide import ELIGIBLE, NOT_ELIGIBLE, decide
from services.incentives.eligibility.dossiers import Dossier, Dossiers
from shared.errors import Fault, RuleBroken
from shared.records.workflow import Context, Image

INTRODUCTIONS, APPLICATIONS = "introductions", "applications"
RECEIVED = frozenset({"paid", "clawback_ordered", "partially_recovered"})
RULES = ("amount", "double_benefit", "eligibility")


def decide_on(image: Image, policy: Image, context: Context) -> None:
    """Decide under the application's own policy version and keep the decision with every fact it saw, for replay."""
    facts = dossier(image, context)
    found = decide(policy, facts, date.fromisoformat(image["reference_date"]))
    decision = found.to_json()
    image["decision"] = decision | {"decided_on": context.today.isoformat()}
    if found.item and not image.get("item"):
        image["item"] = found.item


def dossier(image: Image, context: Context) -> Dossier:
    """What is known of the applicant here: the introduction, and the enterprise's own records as they were followed."""
    dossiers = Dossiers(context.work.beside)
    if not image.get("introduction"):
        return dossiers.of_enterprise(str(image["uscc"]))
    introduction = context.find(INTRODUCTIONS, str(image["introduction"]))
    return dossiers.of_introduction(introduction) if introduction else {"uscc": None, "enterprise": None, "records": {}}


def refuse_ineligible(image: Image, context: Context) -> None:
    """Raises RuleBroken naming every condition that is not met."""
    decision = image["decision"]
    if decision["outcome"] == ELIGIBLE or override(image, "eligibility", context) or override(image, "amount", context):
        return
    lacking = [each for each in decision["conditions"] if each["met"] is not True]
    raise RuleBroken(
        "不符合政策条件 the conditions are not met" if decision["outcome"] == NOT_ELIGIBLE else "数据缺失 data is missing",
        faults=[Fault("", each["name"], f"{each['text']['zh']} {each['text']['en']}") for each in lacking],
    )


def payable(image: Image, policy: Image, context: Context) -> int:
    """The amount to propose, in fen. Raises RuleBroken when another award leaves nothing."""
    signed = override(image, "amount", context)
    if signed is not None:
        return int(signed["amount_fen"])
    return stack(image, policy, context)


def stack(image: Image, policy: Image, context: Context) -> int:
    """The formula's amount after what another policy already gives for the same matter; explains itself on the image."""
    amount = int(image["decision"]["amount_fen"] or 0)
    first = _first_award(image, policy, context)
    if first is None or override(image, "double_benefit", context):
        image.pop("stacking", None)
        return amount
    rule = (policy.get("stacking") or {}).get("rule", "none") if first["by_group"] else "none"
    had = int(first["award"].get("amount_fen") or 0)
    rest = max(amount - had, 0) if rule != "none" else 0
    replaces = rule == "highest_only" and rest > 0 and first["award"]["state"] not in RECEIVED
    sentence = _sentence("replace" if replaces else rule, first["title"], had, amount, rest)
    image["stacking"] = {
        "rule": rule, "first": {"id": first["award"]["id"], "policy_code": first["award"]["policy_code"], "amount_fen": had,
                                "state": first["award"]["state"]}, "amount_fen": rest, "sentence": sentence,
    }
    if rest == 0 or replaces:
        raise RuleBroken(f"{sentence['zh']} {sentence['en']}", faults=[Fault("", "double_benefit", first["award"]["id"])])
    return rest


def _first_award(image: Image, policy: Image, context: Context) -> Image | None:
    """Another live award of the applicant in the same group, or under a policy that excludes this one."""
    group = (policy.get("stacking") or {}).get("group")
    others = context.work.matching(APPLICATIONS, {"applicant": image["applicant"]}, limit=200)
    for award in others:
        if award["id"] == image["id"] or award["state"] in DEAD | {"draft", "returned", "submitted"}:
            continue
        if award["policy_code"] == policy["policy_code"] and award.get("year") != image.get("year"):
            continue
        theirs = policy_of(award, context)
        by_group = bool(group) and (theirs.get("stacking") or {}).get("group") == group
        excluded = award["policy_code"] in (policy.get("excludes") or ()) or policy["policy_code"] in (theirs.get("excludes") or ())
        if by_group or excluded:
            return {"award": award, "title": title(theirs), "by_group": by_group}
    return None


def _sentence(rule: str, first: dict[str, str], had: int, amount: int, rest: int) -> dict[str, str]:
    """One sentence that says what was had, what was asked and what is left."""
    yuan = [f"{fen // 100}.{fen % 100:02d}" for fen in (had, amount, rest)]
    if rule == "replace":
        return {
            "zh": f"已按《{first['zh']}》核定{yuan[0]}元(未付), 只取最高: 撤回该项后可享受本项{yuan[1]}元。",
            "en": f"{yuan[0]} yuan under {first['en']} are not paid yet; only the highest counts: withdraw that file to have {yuan[1]}.",
        }
    if rest:
        return {
            "zh": f"已按《{first['zh']}》享受{yuan[0]}元, 本项{yuan[1]}元, 只补差额{yuan[2]}元。",
            "en": f"{yuan[0]} yuan were awarded under {first['en']}; of this item's {yuan[1]} only the difference of {yuan[2]} is due.",
        }
    return {
        "zh": f"已按《{first['zh']}》享受{yuan[0]}元, 同一事项不重复享受, 本项{yuan[1]}元不予兑现。",
        "en": f"{yuan[0]} yuan were awarded under {first['en']} for the same matter; this item's {yuan[1]} is not due as well.",
    }


def override(image: Image, rule: str, context: Context) -> Image | None:
    """An override of a rule that has not run out; it is on the file only after a second person confirmed it."""
    found = image.get("override")
    return found if found and found["rule"] == rule and found["until"] >= context.today.isoformat() else None
