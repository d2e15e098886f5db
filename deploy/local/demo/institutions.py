"""Platforms, contracts, patents, agriculture, statistics and evidence."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import count
from random import Random

from deploy.local.demo import shape
from deploy.local.demo.cast import Cast
from deploy.local.demo.firms import Firm, Row, past
from deploy.local.demo.numbers import credit_code, patent_no

INSTITUTE = credit_code("MBQ00001", "12")  # a public institution, in no enterprise register
ASSOCIATION = credit_code("MJQ00001", "52")
STRANGER = credit_code("MAQ90001", division="440305")  # never registered in the district
CONTRACTS = (  # type, deal and technology amount in yuan, registered, town of the seller
    ("development", 3_000_000, 2_400_000, "2026-01-15", shape.XIANGZHOU),
    ("development", 600_000, 480_000, "2026-05-12", shape.HONGCAO),
    ("development", 1_100_000, 880_000, "2026-02-10", shape.FENGSHAN),  # corrected to 100/80 later
    ("development", 800_000, 640_000, "2026-03-05", shape.HONGCAO),
    ("development", 600_000, 480_000, "2026-04-20", shape.DONGCHONG),
    ("service", 2_000_000, 2_000_000, "2026-02-26", shape.XIANGZHOU),
    ("service", 1_000_000, 1_000_000, "2026-03-18", shape.HONGCAO),
    ("service", 800_000, 800_000, "2026-04-09", shape.XINGANG),
    ("service", 600_000, 600_000, "2026-05-21", shape.XIANGZHOU),
    ("service", 400_000, 400_000, "2026-06-04", shape.MAGONG),
    ("service", 200_000, 200_000, "2026-06-16", shape.FENGSHAN),
    ("transfer", 1_000_000, 200_000, "2026-03-30", shape.HONGCAO),
    ("licence", 300_000, 80_000, "2026-04-28", shape.DONGCHONG),
    ("consulting", 60_000, 44_000, "2026-06-23", shape.XIANGZHOU),
)
PLATFORMS = (  # name, kind, level, town, cluster, granted_on; the host is chosen by kind
    ("新型显示工程技术研究中心", "engineering_research_center", "provincial", shape.HONGCAO, "electronics", "2021-11-05"),
    ("电子元件工程技术研究中心", "engineering_research_center", "provincial", shape.HONGCAO, "electronics", "2022-12-09"),
    ("智能终端工程技术研究中心", "engineering_research_center", "provincial", shape.XIANGZHOU, "electronics", "2023-12-15"),
    ("海洋食品装备企业技术中心", "enterprise_technology_center", "provincial", shape.MAGONG, "marine", "2023-10-20"),
    ("红草显示材料研究院", "new_rd_institution", "provincial", shape.HONGCAO, "electronics", "2024-08-30"),
    ("移动电源企业研究开发中心", "enterprise_rd_center", "municipal", shape.XIANGZHOU, "electronics", "2024-05-24"),
    ("海湾数字技术研究院", "new_rd_institution", "municipal", shape.XIANGZHOU, "electronics", "2025-03-28"),
    ("果蔬良种企业研究开发中心", "enterprise_rd_center", "municipal", shape.FENGSHAN, "agriculture", "2024-11-15"),
    ("水产养殖企业研究开发中心", "enterprise_rd_center", "municipal", shape.MAGONG, "marine", "2024-01-26"),
    ("柔性屏企业研究开发中心", "enterprise_rd_center", "municipal", shape.HONGCAO, "electronics", "2024-03-22"),
    ("精密电路企业研究开发中心", "enterprise_rd_center", "municipal", shape.HONGCAO, "electronics", "2024-11-15"),
    ("传感器企业研究开发中心", "enterprise_rd_center", "municipal", shape.HONGCAO, "electronics", "2025-06-27"),
    ("光电应用研究院", "new_rd_institution", "municipal", shape.HONGCAO, "electronics", "2025-12-05"),
    ("深海网箱企业研究开发中心", "enterprise_rd_center", "municipal", shape.DONGCHONG, "marine", "2025-10-31"),
    ("香洲众创空间", "makerspace", "municipal", shape.XIANGZHOU, "", "2019-09-12"),
    ("滨海青创众创空间", "makerspace", "municipal", shape.XIANGZHOU, "", "2022-04-08"),
    ("城区科技企业孵化器", "incubator", "municipal", shape.XIANGZHOU, "", "2021-06-18"),
    ("凤山文创众创空间", "makerspace", "municipal", shape.FENGSHAN, "", "2023-08-25"),
    ("红草园区孵化器", "incubator", "provincial", shape.HONGCAO, "", "2019-05-17"),
    ("电子信息专业孵化器", "incubator", "municipal", shape.HONGCAO, "", "2024-07-19"),
    ("新型显示中试基地", "pilot_base", "municipal", shape.HONGCAO, "electronics", "2025-04-11"),
    ("新型显示创新联合体", "innovation_consortium", "municipal", shape.HONGCAO, "electronics", "2025-09-19"),
    ("新一代显示技术创新中心", "technology_innovation_center", "municipal", shape.XIANGZHOU, "electronics", "2024-10-25"),
    ("海洋产业技术研究中心", "industry_technology_center", "municipal", shape.MAGONG, "marine", "2025-07-04"),
)
OWN_UNIT = ("engineering_research_center", "enterprise_technology_center", "enterprise_rd_center")


def platforms(cast: Cast) -> list[Row]:
    """The 24 platforms; one is being rectified, one was raised from municipal to provincial."""
    free = [f for f in cast.firms if f.unit and f not in cast.entered_2026 and f not in (cast.traveller, cast.second_unit)]
    idle = {town: list(hosts) for town, hosts in cast.hosts.items()}
    return [_platform(given, free, idle, cast) for given in PLATFORMS]


def _platform(given: tuple[str, ...], free: list[Firm], idle: dict[str, list[Firm]], cast: Cast) -> Row:
    name, kind, level, town, cluster, granted = given
    if kind in OWN_UNIT:
        host = next(firm for firm in free if firm.town == town).uscc
        free[:] = [firm for firm in free if firm.uscc != host]
    elif kind in ("pilot_base", "industry_technology_center"):
        host = INSTITUTE
    else:
        host = idle[town].pop().uscc
    row: Row = {
        "name": f"汕尾市城区{name}",
        "platform_kind": kind,
        "town_code": town,
        "host_uscc": host,
        "accreditations": [{"level": level, "doc_no": f"{'粤' if level == 'provincial' else '汕'}科函〔{granted[:4]}〕{len(name)}8号",
                            "granted_on": granted}],
        "source": "平台认定文件",
    }  # fmt: skip
    if cluster:
        row["cluster_code"] = cluster
    if kind == "innovation_consortium":
        row["partners"] = [INSTITUTE, ASSOCIATION, cast.second_unit.uscc]
    if kind == "industry_technology_center":
        row["partners"] = [cast.second_unit.uscc]  # created jointly
    if (kind, level) == ("incubator", "provincial"):
        raised = {"level": "provincial", "doc_no": "粤科函〔2022〕318号", "granted_on": "2022-09-30", "supersedes": True}
        row["accreditations"] = [row["accreditations"][0] | {"level": "municipal", "doc_no": "汕科〔2019〕21号"}, raised]
    if name == "凤山文创众创空间":
        row |= {"state": "rectifying", "history": past(town, date(2026, 3, 10), ("accredit", "approver"), ("rectify", "bureau"))}
    return row


def contracts(cast: Cast, random: Random) -> list[Row]:
    """The 14 contracts of 2026; the one of May belongs to the firm that scenario F5 moves."""
    rows: list[Row] = []
    for n, (kind, deal, technology, registered, town) in enumerate(CONTRACTS, 1):
        sellers = [firm for firm in cast.settled if firm.town == town and (firm.hnte or firm.sme)]
        seller = cast.traveller if registered == "2026-05-12" else random.choice(sellers)
        rows.append({
            "registration_no": f"2026441502{n + 100:06d}", "registered_on": registered, "contract_type": kind,
            "seller_uscc": seller.uscc, "deal_amount_fen": deal * 100, "tech_amount_fen": technology * 100,
            "signed_on": str(date.fromisoformat(registered) - timedelta(days=random.randrange(5, 40))),
            "buyer": "某市示范企业", "source": "技术合同登记",
        })  # fmt: skip
    cast.corrected_contract = rows[2]["registration_no"]
    return rows


def patents(cast: Cast, random: Random) -> list[Row]:
    """18 that count and ten that do not: other kinds, past its 20 years, lapsed, holders not or no longer here."""
    serials = count(104729, 331)

    def patent(holder: str, kind: str = "invention", filed: date | None = None) -> Row:
        filed = filed or date(2016, 1, 4) + timedelta(days=random.randrange(2600))
        granted = filed + timedelta(days=random.randrange(500, 900))
        return {
            "patent_no": patent_no(filed.year, kind, next(serials)), "patent_kind": kind, "granted_on": str(granted),
            "first_patentee_uscc": holder, "filed_on": str(filed), "source": "专利公告",
        }  # fmt: skip

    holders = [f for f in cast.settled if f.hnte and f not in (cast.traveller,)]
    rows = []
    for town, number in shape.PATENTS.items():
        local = [firm.uscc for firm in holders if firm.town == town]
        rows += [patent(random.choice(local)) for _ in range(number)]
    some = [firm.uscc for firm in holders][:6]
    rows += [patent(uscc, "utility_model") for uscc in some[:4]] + [patent(uscc, "design") for uscc in some[4:]]
    rows.append(patent(cast.old_patentee.uscc, filed=date(2004, 3, 9)))
    rows += [patent(STRANGER), patent(cast.ended_patentee.uscc), patent(some[0])]
    cast.lapsed_patent = rows[-1]["patent_no"]
    return rows
