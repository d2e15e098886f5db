"""What is known of a subject, read as of a day from its records: the values that expressions see.

A dossier is `{"uscc", "enterprise": image or None, "records": {kind: [image, …]}, "introduction": image or None,
"first_introduction": id or None}`: after-images without personal data, as events carry them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

Image = Mapping[str, Any]
Known = dict[str, Any]
FOREVER = "9999-12-31"
COUNTING_PLATFORMS = ("accredited", "rectifying")
COUNTING_INTRODUCTIONS = ("registered", "departed")
PATENT_YEARS = 20  # 专利法 art. 42: from filing


def resolve(dossier: Image, reference: date, on: date) -> Known:
    """Every fact of the catalogue that is known as of the reference date; what is not known is left out."""
    day = reference.isoformat()
    known: Known = {"on": on.isoformat(), "reference": day}
    enterprise, introduction = dossier.get("enterprise"), dossier.get("introduction")
    if enterprise:
        known["enterprise"] = _without_none(_of_enterprise(enterprise, day) | _of_records(dossier, day))
    if introduction:
        known["introduction"] = _without_none(_of_introduction(dossier, introduction, day))
    return known


def _without_none(values: Known) -> Known:
    return {name: value for name, value in values.items() if value is not None}


def flat(known: Image) -> Known:
    """Facts by the names of the catalogue: `enterprise.hnte`."""
    named: Known = {}
    for name, value in known.items():
        named |= {f"{name}.{inner}": each for inner, each in value.items()} if isinstance(value, Mapping) else {name: value}
    return named


def holds(spells: Iterable[Image] | None, day: str) -> Any:
    """The value of a spell that covers the day, None outside."""
    for spell in spells or ():
        if (spell.get("from") or "") <= day < (spell.get("to") or FOREVER):
            return spell.get("value", True)
    return None


def _of_enterprise(image: Image, day: str) -> Known:
    return {
        "alive": bool(holds(image.get("alive"), day)),
        "abnormal_listed": holds(image.get("states"), day) == "abnormal_listed",
        "town_code": _spelled(image, "town_code", "towns", day),
        "industry_code": _spelled(image, "industry_code", "industries", day),
        "cluster_codes": _spelled(image, "cluster_codes", "clusters", day),
        "in_hitech_zone": _spelled(image, "in_hitech_zone", "in_hitech_zone_spells", day),
        "established_on": image.get("established_on"),
    }


def _spelled(image: Image, name: str, spells: str, day: str) -> Any:
    return holds(image[spells], day) if image.get(spells) else image.get(name)


def _of_records(dossier: Image, day: str) -> Known:
    def valid(kind: str, start: str, end: str | None = None) -> list[Image]:
        return [image for image in dossier.get("records", {}).get(kind, ()) if in_force(image, day, start, end)]

    uscc, year = dossier.get("uscc"), day[:4]
    certificates = valid("hnte-certificates", "issued_on", "valid_to")
    contracts = [image for image in valid("tech-contracts", "registered_on") if image["registered_on"][:4] == year]
    patents = [image for image in valid("patents", "granted_on") if _held(image, uscc, day)]
    return {
        "hnte": bool(certificates),
        "hnte_issued_on": max((image["issued_on"] for image in certificates), default=None),
        "hnte_certificates": len(valid("hnte-certificates", "issued_on")),
        "tech_sme": any(str(image["eval_year"]) == year for image in valid("tech-sme-entries", "announced_on", "valid_to")),
        "above_scale": bool(valid("above-scale-spells", "from_month", "to_month")),
        "rd_units": len(valid("rd-units", "valid_from", "valid_to")),
        "platforms": sorted({title for image in dossier.get("records", {}).get("platforms", ()) for title in _titles(image, uscc, day)}),
        "invention_patents": len(patents),
        "tech_contract_amount_fen": sum(image["tech_amount_fen"] for image in contracts),
        "industrial_internet_projects": len(valid("industrial-internet-projects", "accepted_on")),
        "credit_line_fen": sum(image["amount_fen"] for image in valid("credit-lines", "valid_from", "valid_to")),
    }


def in_force(image: Image, day: str, start: str, end: str | None = None) -> bool:
    """Whether a verified fact covers the day: begun, not ended (exclusive), not revoked on it."""
    if image.get("state") not in ("verified", "revoked") or (image["state"] == "revoked" and not image.get("revoked")):
        return False
    first, last = image.get(start) or FOREVER, (image.get(end) if end else None) or FOREVER
    return _first_day(first) <= day < _first_day(last) and holds(image.get("revoked"), day) is None


def _first_day(text: str) -> str:
    return text if len(text) > 7 else f"{text}-01"


def _held(image: Image, uscc: Any, day: str) -> bool:
    """An invention whose first patentee it is, in force: fees paid, and within its term."""
    if image.get("patent_kind") != "invention" or not holds(image.get("in_force"), day):
        return False
    filed = image.get("filed_on")
    expired = bool(filed) and f"{int(str(filed)[:4]) + PATENT_YEARS}{str(filed)[4:]}" <= day
    return not expired and _spelled(image, "first_patentee_uscc", "holders", day) == uscc


def _titles(image: Image, uscc: Any, day: str) -> list[str]:
    """`kind/level` of the accreditations in force of a platform that the enterprise hosts."""
    ended = image.get("state") not in COUNTING_PLATFORMS and holds(image.get("states"), day) not in COUNTING_PLATFORMS
    if ended or _spelled(image, "host_uscc", "hosts", day) != uscc:
        return []
    grants = image.get("accreditations") or ()
    return [f"{image['platform_kind']}/{grant['level']}" for grant in grants if _granted(grant, day)]


def _granted(grant: Image, day: str) -> bool:
    ends = [grant[name] for name in ("valid_to", "ended_on") if grant.get(name)]
    return bool(grant["granted_on"] <= day < min(ends, default=FOREVER))


def _of_introduction(dossier: Image, image: Image, day: str) -> Known:
    registered = image.get("state") in COUNTING_INTRODUCTIONS and image.get("hired_on", FOREVER) <= day
    left = image.get("departed_on") or FOREVER
    first = dossier.get("first_introduction")
    names = ("degree_level", "intro_mode", "town_code", "employer_uscc", "hired_on", "graduated_on", "social_ins_first_month", "service_until")
    return {name: image.get(name) for name in names} | {
        "registered": registered,
        "in_post": registered and day < left,
        "first": first == image.get("id") if first else None,
    }
