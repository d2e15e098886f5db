"""What hangs on the enterprises: certificates, SME entries, above-scale spells, R&D units (rulings of the notes, E.1)."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import count
from random import Random

from deploy.local.demo import shape
from deploy.local.demo.cast import Cast
from deploy.local.demo.firms import Firm, Row
from deploy.local.demo.numbers import cert_no, entry_no

ANNOUNCED = {
    2023: ("2023-04-21", "2023-06-16", "2023-09-08"),
    2024: ("2024-04-19", "2024-06-21", "2024-09-13"),
    2025: ("2025-04-18", "2025-06-20", "2025-09-12"),
    2026: ("2026-01-23", "2026-03-20", "2026-04-24", "2026-05-29"),
}
STARTS = ("2022-01", "2022-07", "2023-01", "2023-07", "2024-01", "2025-01")  # mostly the yearly review
SERIALS = {2021: 101, 2022: 101, 2023: 101, 2024: 101, 2025: 101}


def certificates(cast: Cast, random: Random) -> list[Row]:
    """54 certificates: 14 lapse on 2026-12-28, three firms hold two valid ones, 13 renewals in all."""
    serials = {year: count(start) for year, start in SERIALS.items()}

    def issue(firm: Firm, issued: str) -> Row:
        year = int(issued[:4])
        number = cert_no(year, next(serials[year]) * 7)
        return {"cert_no": number, "uscc": firm.uscc, "issued_on": issued, "source": f"粤科高字〔{year}〕公告"}

    rows = [issue(firm, "2023-12-28") for firm in cast.lapsing]
    for firm in cast.overlapping:
        rows += [issue(firm, "2023-11-30"), issue(firm, "2025-12-19")]
    for firm in cast.renewed_2024:
        rows += [issue(firm, random.choice(("2021-12-20", "2021-12-31"))), issue(firm, random.choice(("2024-12-06", "2024-12-11")))]
    for firm in cast.renewed_2025:
        rows += [issue(firm, "2022-12-22"), issue(firm, "2025-12-19")]
    return rows + [issue(firm, random.choice(("2025-11-19", "2025-12-19"))) for firm in cast.new_2025]


def sme_entries(cast: Cast, random: Random) -> list[Row]:
    """Entries of four years; 96 of 2026, 42 of 2023, and some that do not count."""
    rows: list[Row] = []
    serials = count(80000101)

    def enter(firm: Firm, year: int, announced: str | None = None) -> Row:
        row = {
            "entry_no": entry_no(year, next(serials)),
            "uscc": firm.uscc,
            "eval_year": year,
            "announced_on": announced or random.choice(ANNOUNCED[year]),
            "source": f"{year}年入库公告",
        }
        rows.append(row)
        return row

    for year, firms in cast.sme_years.items():
        for firm in firms:
            enter(firm, year)
    enter(cast.ended_sme, 2026, "2026-01-23")
    cast.revoked_entry = enter(cast.revoked_sme, 2026, "2026-01-23")["entry_no"]
    return rows


def above_scale_spells(cast: Cast, random: Random) -> list[Row]:
    """84 spells in force, six that ended in January 2026, two of services that are no industry."""

    def spell(firm: Firm, start: str, end: str | None = None) -> Row:
        row: Row = {"uscc": firm.uscc, "from_month": start, "list_no": f"名录{start[:4]}-{firm.uscc[-6:]}", "source": "统计名录库"}
        return row | ({"to_month": end} if end else {})

    known = {firm for firms in cast.sme_years.values() for firm in firms}

    def start(firm: Firm) -> str:
        if firm in cast.entered_2026:
            return "2026-01"
        if firm in cast.scaled_up:
            return "2025-10"
        return random.choice([start for start in STARTS if firm not in known or start < "2024"])  # so that two scaled up

    rows = [spell(firm, start(firm)) for firm in cast.firms if firm.scale]
    rows += [spell(firm, "2022-01", "2026-01") for firm in cast.left_scale]
    return rows + [spell(firm, "2024-01") for firm in cast.services]


def rd_units(cast: Cast, random: Random, hosted: list[Row]) -> list[Row]:
    """One for each firm with `unit`; where the firm hosts a research platform, that one is its unit."""
    platform_of = {platform["host_uscc"]: platform for platform in hosted}

    def unit(firm: Firm, start: str, **more: str) -> Row:
        return {"uscc": firm.uscc, "name": f"{firm.row['name'][3:7]}研发中心", "valid_from": start, **more, "source": "企业研发机构备案"}

    rows = []
    for firm in [firm for firm in cast.firms if firm.unit]:
        platform = platform_of.get(firm.uscc)
        if platform:
            rows.append(unit(firm, platform["accreditations"][0]["granted_on"], platform_id=platform["name"]))
        else:
            rows.append(unit(firm, str(date(2022, 3, 1) + timedelta(days=random.randrange(1200)))))
    rows.append(unit(cast.left_scale[0], "2023-05-08"))
    rows += [unit(firm, "2024-03-11") for firm in cast.small_with_unit]
    rows.append(unit(cast.closed_unit, "2022-05-09", valid_to="2025-07-01"))
    return [*rows, unit(cast.second_unit, "2025-02-17")]


def split(total: int, parts: int, random: Random) -> list[int]:
    """`parts` positive integers that make `total`."""
    weights = [random.uniform(1, 3) for _ in range(parts)]
    shares = [max(1, int(total * weight / sum(weights))) for weight in weights]
    shares[-1] += total - sum(shares)
    return shares


def credit_lines(cast: Cast, random: Random) -> list[Row]:
    """18.60亿 of the 60 baseline firms, all ended by the demo date; 24.18亿 of the technology enterprises of today."""
    million = 100_000_000  # fen
    banks = ("示范农村商业银行", "示范城市商业银行", "示范科技支行")

    def line(firm: Firm, millions: int, start: str, end: str) -> Row:
        return {
            "uscc": firm.uscc, "bank": random.choice(banks), "amount_fen": millions * million,
            "valid_from": start, "valid_to": end, "source": "银企授信月报",
        }  # fmt: skip

    starts, ends = ("2022-06-30", "2023-03-15", "2023-10-09"), ("2024-07-01", "2025-04-01", "2026-06-30")
    old = zip(cast.baseline, split(1860, len(cast.baseline), random), strict=True)
    rows = [line(firm, share, random.choice(starts), random.choice(ends)) for firm, share in old]
    technology = [firm for firm in cast.firms if firm.hnte or firm.sme]
    holders = random.sample(technology, 88)
    new = zip(holders, split(2418, len(holders), random), strict=True)
    rows += [line(f, share, random.choice(("2024-09-02", "2025-05-20", "2026-02-09")), "2027-06-30") for f, share in new]
    others = [firm for firm in cast.firms if firm.plain and firm not in cast.baseline and firm is not cast.revoked_sme]
    return rows + [line(firm, 5, "2025-05-20", "2027-06-30") for firm in random.sample(others, 5)]


def internet_projects(cast: Cast, random: Random) -> list[Row]:
    """31 firms, above-scale ones first; two of them with a second project, which adds nothing."""
    rows = []
    for town, number in shape.INTERNET.items():
        local = sorted((f for f in cast.settled if f.town == town), key=lambda f: (not f.scale, f.uscc))
        for firm in local[:number]:
            accepted = date(2024, 3, 1) + timedelta(days=random.randrange(750))
            rows.append({"uscc": firm.uscc, "name": "生产线工业互联网改造", "accepted_on": str(accepted), "source": "项目验收意见"})
    seconds = [row | {"name": "供应链协同平台", "accepted_on": "2026-03-18"} for row in rows[-2:]]
    return rows + seconds
