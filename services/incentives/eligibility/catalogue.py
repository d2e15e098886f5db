"""Every fact that a policy's expressions may read: its type, its names, and the field to fill where it is missing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Type(StrEnum):
    """What a fact is."""

    INT = "int"
    BOOL = "bool"
    TEXT = "text"
    DAY = "day"
    TEXTS = "texts"


@dataclass(frozen=True)
class Fact:
    """One fact, as of the policy's reference date."""

    name: str
    type: Type
    zh: str
    en: str
    field: str  # kind and field that say it: what to fill when it is not known


_TABLE = """
on|day|申请日|day of the question|-
reference|day|基准日|reference date of the policy|-
enterprise.alive|bool|在本区存续|exists in the district|enterprises.state
enterprise.abnormal_listed|bool|列入经营异常名录|on the list of abnormal operations|enterprises.state
enterprise.town_code|text|所在镇街|town|enterprises.town_code
enterprise.industry_code|text|行业小类|industry class|enterprises.industry_code
enterprise.cluster_codes|texts|产业集群|clusters|enterprises.cluster_codes
enterprise.in_hitech_zone|bool|高新区内|in the high-tech zone|enterprises.in_hitech_zone
enterprise.established_on|day|成立日期|founding day|enterprises.established_on
enterprise.hnte|bool|高新技术企业证书有效|valid high-tech certificate|hnte-certificates
enterprise.hnte_issued_on|day|现行高企证书发证日期|issue day of the newest valid certificate|hnte-certificates.issued_on
enterprise.hnte_certificates|int|历次高企证书数|high-tech certificates so far|hnte-certificates
enterprise.tech_sme|bool|科技型中小企业当年入库|entered as technology SME this year|tech-sme-entries
enterprise.above_scale|bool|规模以上|on the above-scale list|above-scale-spells
enterprise.rd_units|int|研发机构数|R&D units|rd-units
enterprise.platforms|texts|在有效期内的创新平台(类型/级别)|accredited platforms (kind/level)|platforms
enterprise.invention_patents|int|有效发明专利数|invention patents in force|patents
enterprise.tech_contract_amount_fen|int|当年登记技术交易额(分)|technology contract value of the year, fen|tech-contracts
enterprise.industrial_internet_projects|int|工业互联网项目数|industrial internet projects|industrial-internet-projects
enterprise.credit_line_fen|int|有效授信额度(分)|credit lines in force, fen|credit-lines
introduction.registered|bool|引进已登记|introduction is registered|introductions.state
introduction.in_post|bool|在岗|still in post|introductions.departed_on
introduction.first|bool|本人首次引进|the person's first introduction|introductions.person
introduction.degree_level|text|学历|degree|introductions.degree_level
introduction.intro_mode|text|引进方式|mode of introduction|introductions.intro_mode
introduction.town_code|text|入职时所在镇街|town at the start|introductions.town_code
introduction.employer_uscc|text|用人单位|employer|introductions.employer_uscc
introduction.hired_on|day|入职日期|start of work|introductions.hired_on
introduction.graduated_on|day|毕业日期|graduation day|introductions.graduated_on
introduction.social_ins_first_month|text|社保首月|first month of social insurance|introductions.social_ins_first_month
introduction.service_until|day|服务期止|end of service|introductions.service_until
"""


def _facts() -> dict[str, Fact]:
    rows = (line.split("|") for line in _TABLE.strip().splitlines())
    return {name: Fact(name, Type(kind), zh, en, field) for name, kind, zh, en, field in rows}


FACTS: dict[str, Fact] = _facts()
