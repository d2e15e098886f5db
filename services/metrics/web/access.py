"""Who may read what: values are public when the board is, records need a viewer or someone of the staff."""

from __future__ import annotations

from shared.auth.roles import Role

STAFF = (
    Role.AUDITOR,
    Role.BUREAU_REVIEWER,
    Role.BUREAU_APPROVER,
    Role.TOWN_REVIEWER,
    Role.TREASURY_OFFICER,
    Role.STAT_REPORTER,
    Role.STAT_VERIFIER,
    Role.DPO,
    Role.HR_OFFICER,
    Role.PLAN_OFFICER,
    Role.METRICS,
)
READERS = (Role.VIEWER, *STAFF)
