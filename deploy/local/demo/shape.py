"""The figures of the demo district by town, as the domain notes give them (E), and what follows from them."""

from __future__ import annotations

TOWNS = {
    "441502001": "新港",
    "441502002": "香洲",
    "441502003": "凤山",
    "441502007": "马宫",
    "441502100": "红草",
    "441502102": "东涌",
    "441502103": "捷胜",
}
XINGANG, XIANGZHOU, FENGSHAN, MAGONG, HONGCAO, DONGCHONG, JIESHENG = TOWNS


def by_town(*counts: int) -> dict[str, int]:
    """Counts in the order of the table."""
    return dict(zip(TOWNS, counts, strict=True))


ACTIVE = by_town(23, 60, 45, 22, 70, 39, 17)  # 276; the split among towns is free
HNTE = by_town(2, 7, 5, 2, 16, 5, 1)
SME = by_town(6, 21, 15, 7, 29, 13, 5)
BOTH = by_town(1, 5, 4, 1, 12, 4, 0)
SCALE = by_town(4, 9, 8, 7, 37, 14, 5)
SCALE_WITH_UNIT = by_town(1, 4, 2, 2, 19, 5, 1)
SCALE_HNTE = by_town(1, 4, 3, 1, 13, 4, 0)
SCALE_HNTE_WITH_UNIT = by_town(1, 3, 2, 1, 12, 3, 0)
SCALE_SME_ONLY = by_town(1, 2, 2, 2, 7, 3, 2)  # above scale, SME entry and no certificate; free
GRADUATES = by_town(260, 905, 640, 190, 780, 270, 75)
INTERNET = by_town(1, 4, 3, 2, 16, 4, 1)
PATENTS = by_town(0, 4, 2, 1, 9, 2, 0)

SECOND_EMPLOYERS = 61
RETURNED, REJECTED, INVALIDATED = 12, 10, 11
UNDER_WAY = {"draft": 4, "submitted": 4, "bureau_review": 4}
ENDED = {"deregistered": 14, "moved_out": 12, "licence_revoked": 6}
