"""Every code list with its names, as `GET /{service}/v1/codes` gives them (contract §2 Fields)."""

from __future__ import annotations


def _list(text: str) -> list[dict[str, str]]:
    rows = (line.strip().split("|") for line in text.strip().splitlines())
    return [{"code": code, "zh": zh, "en": en} for code, zh, en in rows]


CODES: dict[str, list[dict[str, str]]] = {
    "levels": _list("district|区级|District\nmunicipal|市级|Municipal\nprovincial|省级|Provincial\nnational|国家级|National"),
    "platform_kinds": _list("""
        new_rd_institution|新型研发机构|New R&D institution
        engineering_research_center|工程技术研究中心|Engineering research centre
        key_laboratory|重点实验室|Key laboratory
        enterprise_technology_center|企业技术中心|Enterprise technology centre
        enterprise_rd_center|企业研究开发中心|Enterprise R&D centre
        incubator|孵化器|Incubator
        makerspace|众创空间|Makerspace
        accelerator|加速器|Accelerator
        pilot_base|中试基地|Pilot-scale base
        innovation_consortium|创新联合体|Innovation consortium
        industry_technology_center|产业技术研究中心|Industry technology centre
        technology_innovation_center|技术创新中心|Technology innovation centre
        practice_platform|协同创新实践平台|Practice platform
        technology_alliance|技术创新联盟|Technology alliance
        feature_park|特色园区|Feature park"""),
    "clusters": _list("""
        electronics|电子信息|Electronics
        marine|海洋产业|Marine industry
        agriculture|现代农业|Modern agriculture
        food|食品加工|Food processing
        textile|纺织服装|Textiles and clothing"""),
    "degrees": _list("college|专科|College\nbachelor|本科|Bachelor\nmaster|硕士|Master\ndoctor|博士|Doctor"),
    "intro_modes": _list("campus|校招|Campus\nsocial|社招|Open market\ntransfer|调入|Transfer\nflexible|柔性引进|Flexible"),
    "id_kinds": _list("""
        citizen_id|公民身份号码|Citizen identity number
        residence_permit|港澳台居民居住证|Residence permit
        foreign_permanent|外国人永久居留身份证|Foreign permanent resident card
        passport|护照|Passport"""),
    "reveal_purposes": _list("""
        verification|身份核验|Verification of identity
        payment|发放核对|Check of a payment
        objection|异议处理|Handling of an objection
        data_subject|本人请求|Request of the person
        audit|审计检查|Audit"""),
    "contract_types": _list("""
        development|技术开发|Development
        transfer|技术转让|Transfer
        licence|技术许可|Licence
        consulting|技术咨询|Consulting
        service|技术服务|Service"""),
    "patent_kinds": _list("invention|发明|Invention\nutility_model|实用新型|Utility model\ndesign|外观设计|Design"),
    "statistic_status": _list("preliminary|初步|Preliminary\nflash|快报|Flash\nfinal|最终核实|Final\ncensus|普查修订|Census"),
    "statistic_units": _list("元|元|yuan\n万元|万元|10,000 yuan\n亿元|亿元|100 million yuan\n人|人|persons\n万人|万人|10,000 persons\n"
                             "%|百分比|percent\n家|家|units\n位|位|rank"),
    "series": _list("""
        gdp|地区生产总值|GDP
        rd_expenditure|R&D经费内部支出|R&D expenditure
        basic_research_expenditure|基础与应用基础研究经费|Basic research expenditure
        resident_population|常住人口|Resident population
        above_scale_value_added|规上工业增加值|Above-scale industrial value added
        hightech_manufacturing_value_added|高技术制造业增加值|High-tech manufacturing value added
        talent_resource_total|人才资源总量|Total talent resources
        science_literacy_rate|公民科学素质比例|Scientific literacy
        rd_survey_units_obliged|R&D统计应统单位|R&D survey units obliged
        rd_survey_units_reported|R&D统计已报单位|R&D survey units reported
        hitech_zone_rank|高新区排名|Rank of the high-tech zone"""),
    "claim_grounds": _list("""
        successor|经办人更替|The former agent left
        registered_by_other|被他人登记|Registered by somebody else
        lost_account|账号遗失|The account is lost
        other|其他|Other"""),
    "attachment_purposes": _list("""
        licence|营业执照|Business licence
        authorisation|授权书|Letter of authorisation
        address|住所证明|Proof of address
        application|申报材料|Application papers
        other|其他|Other"""),
    "recognition_categories": _list("highend|高端人才|High-end talent"),
    "team_categories": _list("hl_team|高水平创新创业团队|High-level team"),
}


def members(name: str) -> list[str]:
    """The codes of a list."""
    return [entry["code"] for entry in CODES[name]]
