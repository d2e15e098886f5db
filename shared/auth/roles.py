"""The roles of the domain notes D and the contract §2."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a person or a system may be. A token may carry several; separation of duties still holds per actor."""

    ENTERPRISE_AGENT = "enterprise_agent"  # 企业经办人
    ENTERPRISE_REP = "enterprise_rep"  # 企业授权负责人
    TALENT = "talent"  # 人才本人
    TOWN_REVIEWER = "town_reviewer"  # 镇街初审
    BUREAU_REVIEWER = "bureau_reviewer"  # 业务科室复审
    BUREAU_APPROVER = "bureau_approver"  # 审定人
    TREASURY_OFFICER = "treasury_officer"  # 财政拨付
    STAT_REPORTER = "stat_reporter"  # 统计填报
    STAT_VERIFIER = "stat_verifier"  # 统计核实
    AUDITOR = "auditor"  # 审计: reads all, writes none
    DPO = "dpo"  # 个人信息保护负责人
    SYSADMIN = "sysadmin"  # 系统管理员: no business data
    DATA_FEED = "data_feed"  # 可信数据源
    HR_OFFICER = "hr_officer"  # 人社经办
    PLAN_OFFICER = "plan_officer"  # 方案管理员
    VIEWER = "viewer"  # 查看者
    METRICS = "metrics"  # 指标服务
