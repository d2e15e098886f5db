"""What no enterprise carries: agriculture, published statistics, attested evidence."""

from __future__ import annotations

from deploy.local.demo import shape
from deploy.local.demo.firms import Row

DISTRICT, CITY = "441502", "441500"
STATISTICS = (  # series, period, scope, value, unit, status, published_on, doc_no
    ("resident_population", "2023", DISTRICT, "41.05", "万人", "final", "2024-04-26", "城统字〔2024〕12号"),
    ("resident_population", "2024", DISTRICT, "41.20", "万人", "final", "2025-04-25", "城统字〔2025〕11号"),
    ("gdp", "2024", DISTRICT, "386.50", "亿元", "preliminary", "2025-01-24", "城统字〔2025〕3号"),
    ("gdp", "2024", DISTRICT, "390.00", "亿元", "final", "2025-12-19", "城统字〔2025〕47号"),
    ("rd_expenditure", "2023", DISTRICT, "61200", "万元", "final", "2024-10-18", "城统字〔2024〕38号"),
    ("rd_expenditure", "2024", DISTRICT, "70200", "万元", "final", "2025-10-17", "城统字〔2025〕40号"),
    ("basic_research_expenditure", "2023", DISTRICT, "612", "万元", "final", "2024-10-18", "城统字〔2024〕38号"),
    ("basic_research_expenditure", "2024", DISTRICT, "1053", "万元", "final", "2025-10-17", "城统字〔2025〕40号"),
    ("above_scale_value_added", "2026-04", DISTRICT, "30.60", "亿元", "preliminary", "2026-05-22", "城统月〔2026〕4号"),
    ("above_scale_value_added", "2026-05", DISTRICT, "38.60", "亿元", "preliminary", "2026-06-19", "城统月〔2026〕5号"),
    ("hightech_manufacturing_value_added", "2026-04", DISTRICT, "12.40", "亿元", "preliminary", "2026-05-22", "城统月〔2026〕4号"),
    ("hightech_manufacturing_value_added", "2026-05", DISTRICT, "15.93", "亿元", "preliminary", "2026-06-19", "城统月〔2026〕5号"),
    ("talent_resource_total", "2024", DISTRICT, "10.60", "万人", "final", "2025-03-28", "城人才〔2025〕5号"),
    ("talent_resource_total", "2025", DISTRICT, "11.20", "万人", "final", "2026-03-27", "城人才〔2026〕4号"),
    ("science_literacy_rate", "2025", CITY, "14.2", "%", "final", "2026-02-13", "汕科协〔2026〕2号"),
    ("rd_survey_units_obliged", "2025", DISTRICT, "124", "家", "final", "2026-03-20", "城统字〔2026〕9号"),
    ("rd_survey_units_reported", "2025", DISTRICT, "118", "家", "final", "2026-03-20", "城统字〔2026〕9号"),
)
EVIDENCE = (  # indicator, title, attested_on
    ("tech_breakthrough_count", "柔性封装良率攻关通过验收", "2025-06-20"),
    ("tech_breakthrough_count", "深海网箱抗台风锚泊攻关通过验收", "2025-11-28"),
    ("joint_rd_project_count", "新型显示驱动芯片联合攻关立项", "2024-09-12"),
    ("joint_rd_project_count", "预制水产冷链保鲜联合攻关立项", "2025-04-16"),
    ("joint_rd_project_count", "耐候电子材料联合攻关立项", "2026-01-22"),
    ("tech_transfer_count", "电路检测方法专利许可实施", "2025-03-14"),
    ("tech_transfer_count", "养殖水质监测成果作价入股", "2025-12-10"),
    ("talent_demand_match", "2025年重点产业岗位供需目录发布", "2025-12-19"),
    ("sci_credit_product_count", "知识产权质押贷", "2024-05-30"),
    ("sci_credit_product_count", "研发投入贷", "2025-02-21"),
    ("sci_credit_product_count", "高企信用贷", "2025-09-05"),
    ("policy_system_progress", "企业研究开发中心认定办法印发", "2024-03-29"),
    ("policy_system_progress", "科技型中小企业培育办法印发", "2025-05-16"),
    ("display_tech_leading", "超薄显示模组科技成果鉴定(国内领先)", "2025-08-22"),
    ("marine_results_count", "深远海养殖装备成果评价(省内领先)", "2025-10-24"),
    ("agri_tech_leading", "优质水稻新品种推广成效评价", "2025-11-14"),
    ("sci_pop_activity_count", "全国科普日城区主场活动", "2025-09-20"),
    ("sci_pop_activity_count", "青少年科技创新大赛", "2025-11-08"),
    ("sci_pop_activity_count", "科技下乡集市", "2026-01-17"),
    ("sci_pop_activity_count", "海洋科普进校园", "2026-03-12"),
    ("bay_coop_count", "与广州高校共建显示材料联合实验室", "2024-12-06"),
    ("bay_coop_count", "与深圳企业共建中试线", "2025-07-25"),
    ("digital_pilot_count", "纺织服装集群数字化转型试点", "2025-06-06"),
)
BASES = (
    ("富硒水稻良种示范基地", shape.HONGCAO, "2023-10-18"),
    ("对虾工厂化养殖示范基地", shape.MAGONG, "2024-06-14"),
    ("设施蔬菜先进技术示范基地", shape.DONGCHONG, "2025-05-23"),
    ("荔枝标准化示范基地", shape.JIESHENG, "2025-11-20"),
)
VARIETIES = (("示范丝苗1号", shape.HONGCAO, "2024-07-10"), ("海丰抗逆对虾新品系", shape.MAGONG, "2025-08-06"))


def statistics() -> list[Row]:
    """Published figures; none of 2025's R&D or GDP, none of 2023's GDP."""
    fields = ("series_code", "period", "scope_code", "value", "unit", "status", "published_on", "doc_no")
    return [dict(zip(fields, given, strict=True)) for given in STATISTICS]


def evidence() -> list[Row]:
    """What people attest because no record kind counts it."""
    return [
        {"indicator_id": indicator, "title": title, "attested_on": on, "source": "主管部门证明材料"}
        for indicator, title, on in EVIDENCE
    ]


def agri_bases() -> list[Row]:
    """Four demonstration bases."""
    return [{"name": name, "town_code": town, "accepted_on": on, "source": "验收意见"} for name, town, on in BASES]


def agri_varieties() -> list[Row]:
    """Two varieties."""
    return [{"name": name, "town_code": town, "promoted_on": on, "source": "推广证明"} for name, town, on in VARIETIES]
