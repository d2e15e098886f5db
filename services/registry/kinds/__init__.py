"""The registry's record kinds, one file each."""

from services.registry.kinds import (
    above_scale_spell,
    agri_base,
    agri_variety,
    claim,
    credit_line,
    enterprise,
    evidence_item,
    hnte_certificate,
    industrial_internet_project,
    patent,
    platform,
    rd_unit,
    statistic,
    tech_contract,
    tech_sme_entry,
)
from shared.records.kind import Kind

KINDS: list[Kind] = [
    module.KIND
    for module in (
        enterprise,
        hnte_certificate,
        tech_sme_entry,
        above_scale_spell,
        rd_unit,
        platform,
        tech_contract,
        patent,
        industrial_internet_project,
        credit_line,
        agri_base,
        agri_variety,
        statistic,
        evidence_item,
        claim,
    )
]
