"""What the board shows, as the metrics service says it, arranged by the parts of the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from shared.errors import Unavailable

TIMEOUT_S = 3.0
PARTS = (  # clause prefix, Chinese, English: the plan's own headings
    ("二(一)", "创新要素集聚提速", "Innovation factors gather faster"),
    ("二(二)", "特色优势产业技术领先", "Technology leads in the district's own industries"),
    ("二(三)", "科技创新生态建设", "The innovation ecosystem"),
    ("三(一)", "区域创新体系建设", "The regional innovation system"),
    ("三(二)", "企业技术创新体系建设", "Technology innovation in enterprises"),
    ("三(三)", "孵化育成体系建设", "Incubation"),
)
LEDGER = "资金台账"
BESIDE = frozenset({"tech_sme_valid_stock", "tech_contract_deal_amount", "graduates_in_post"})
VERDICTS = ("achieved", "on_track", "at_risk", "behind", "not_assessable")


@dataclass(frozen=True)
class Part:
    """One part of the plan with its indicators."""

    clause: str
    name: dict[str, str]
    items: list[dict[str, Any]]


@dataclass(frozen=True)
class Board:
    """The whole page."""

    as_of: str
    sequence: int
    parts: list[Part]
    verdicts: dict[str, int]


def fetch(base_url: str, authorization: str | None) -> Board:
    """Ask the metrics service. Raises Unavailable when it does not answer."""
    headers = {"Authorization": authorization} if authorization else {}
    try:
        with httpx.Client(base_url=f"{base_url}/metrics/v1", headers=headers, timeout=TIMEOUT_S, trust_env=False) as http:
            readings, plan = (http.get(path).raise_for_status().json() for path in ("/indicators", "/plan"))
        return arrange(readings, {each["id"]: int(each["decimals"]) for each in plan["indicators"]})
    except (httpx.HTTPError, ValueError, KeyError) as away:
        raise Unavailable("the metrics service does not answer") from away


def arrange(body: dict[str, Any], decimals: Mapping[str, int]) -> Board:
    """Indicators under the part of the plan that their first clause names; the secondary ones last."""
    items = [dict(item, width=_width(item), decimals=decimals[item["id"]]) for item in body["items"]]
    parts = []
    for prefix, zh, en in PARTS:
        mine = [item for item in items if item["id"] not in BESIDE and item["clause"] and item["clause"][0].startswith(prefix)]
        mine.sort(key=lambda item: item["target"] is None)
        parts.append(Part(prefix, {"zh": zh, "en": en}, mine))
    ledger = [item for item in items if item["clause"] == [LEDGER]]
    parts.append(Part("", {"zh": LEDGER, "en": "Incentive ledger"}, ledger))
    parts.append(Part("", {"zh": "对照口径", "en": "Beside the plan's own figures"}, [i for i in items if i["id"] in BESIDE]))
    counted = Counter(item["verdict"] for item in items if item["target"])
    return Board(body["as_of"], body["sequence"], [part for part in parts if part.items], {v: counted[v] for v in VERDICTS})


def figure(value: float | None, decimals: int) -> str:
    """A value as the page prints it: thousands parted, every decimal that its definition publishes."""
    return "–" if value is None else f"{value:,.{decimals}f}"


def _width(item: dict[str, Any]) -> int:
    progress = item.get("progress")
    return 0 if progress is None else max(0, min(100, round(progress * 100)))
