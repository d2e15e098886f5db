"""Which enterprise plays which part in the rulings of the domain notes (E.1)."""

from __future__ import annotations

from datetime import date
from random import Random

from deploy.local.demo import shape
from deploy.local.demo.firms import Firm
from deploy.local.demo.numbers import credit_code


class Cast:
    """The firms by part. Every list is drawn once, in a fixed order, so that the district is always the same."""

    revoked_entry: str = ""
    lapsed_patent: str = ""
    corrected_contract: str = ""

    def __init__(self, firms: list[Firm], random: Random) -> None:
        self.firms = firms
        self.random = random
        self._pool = [firm for firm in firms if firm.plain]
        random.shuffle(self._pool)
        self._one_offs()
        self._certificates()
        self._scale()
        self._sme_years()
        self._founded()

    def _plain(self, wanted: int = 1, industrial: bool | None = None, town: str | None = None) -> list[Firm]:
        """Take active firms without any qualification out of the pool."""
        fit = [
            firm
            for firm in self._pool
            if (industrial is None or _industrial(firm) is industrial) and town in (None, firm.town)
        ][:wanted]
        assert len(fit) == wanted
        self._pool = [firm for firm in self._pool if firm not in fit]
        return fit

    def _one_offs(self) -> None:
        self.revoked_sme, self.old_patentee = self._plain(2)
        self.services = self._plain(2, industrial=False)
        self.hosts = {town: self._plain(5, industrial=False, town=town) for town in (shape.XIANGZHOU, shape.HONGCAO)}
        self.hosts[shape.FENGSHAN] = self._plain(1, industrial=False, town=shape.FENGSHAN)
        ended = [firm for firm in self.firms if firm.ended_on]
        self.ended_sme = next(firm for firm in ended if firm.state == "deregistered")
        self.ended_patentee = next(firm for firm in ended if firm.state == "licence_revoked")
        self.leaver = next(firm for firm in ended if firm.state == "moved_out")
        self.ended = [firm for firm in ended if firm not in (self.ended_sme, self.leaver)]
        self.mover = next(f for f in self.firms if f.town == shape.XIANGZHOU and f.sme and not f.hnte and not f.scale)
        self.traveller = next(f for f in self.firms if f.town == shape.HONGCAO and f.hnte and f.unit and not f.sme)

    def _certificates(self) -> None:
        """14 + 3 + 11 + 2 hold a certificate at the baseline, 8 have their first one of 2025; 38 in all."""
        hnte = [firm for firm in self.firms if firm.hnte]
        self.random.shuffle(hnte)
        both, only = [firm for firm in hnte if firm.sme], [firm for firm in hnte if not firm.sme]
        arrivals = [firm for firm in hnte if not firm.scale and firm.sme][-2:]
        both = [firm for firm in both if firm not in arrivals]
        self.lapsing = both[:10] + only[:4]
        rest = [firm for firm in hnte if firm not in self.lapsing and firm not in arrivals]
        self.overlapping, self.renewed_2024, self.renewed_2025 = rest[:3], rest[3:14], rest[14:16]
        self.new_2025 = rest[16:] + arrivals
        self.arrivals = arrivals
        self.baseline_hnte = [*self.lapsing, *self.overlapping, *self.renewed_2024, *self.renewed_2025]

    def _scale(self) -> None:
        """Who entered and left the above-scale list at the turn of 2026."""
        self.entered_2026 = [f for f in self.firms if f.scale and f.unit and not f.hnte and f.town == shape.HONGCAO][:2]
        self.scaled_up = [f for f in self.firms if f.scale and f.sme and not f.hnte and f.town != shape.JIESHENG][:2]
        small = [f for f in self.firms if f.hnte and not f.scale and f not in self.arrivals]
        self.left_scale = [*self._plain(1, industrial=True), small[0], *self._plain(4, industrial=True)]
        self.small_with_unit = [*small[1:3], *[f for f in self.firms if f.sme and not f.hnte and not f.scale][5:7]]
        self.closed_unit = next(f for f in self.firms if f.scale and not f.unit and not f.hnte)
        self.second_unit = next(f for f in self.firms if f.unit and f.hnte and f is not self.traveller)

    def _sme_years(self) -> None:
        """42 entries of 2023 (12 of certificate holders), 96 of 2026; the years between are free."""
        only = [f for f in self.firms if f.sme and not f.hnte and f is not self.mover]
        early = [f for f in only if f not in self.scaled_up]
        newer = [f for f in self.new_2025 if f not in self.arrivals]
        others = [*self._plain(6), *newer[:3], *early[:20], self.leaver]
        self.baseline = [*self.baseline_hnte, *others]
        between = [*self.scaled_up, *early[:30], *self.lapsing, *self.ended[:9]]
        self.sme_years = {
            2023: [*self.baseline_hnte[4:16], *others],
            2024: [f for f in [*early[:25], *self.baseline_hnte[2:20], *self.ended[:9]] if not _gone(f, date(2024, 12, 31))],
            2025: [f for f in [*between, *early[30:50], *self.new_2025[:4]] if not _gone(f, date(2025, 12, 31))],
            2026: [f for f in self.firms if f.sme],
        }

    def _founded(self) -> None:
        """Dates, names and former places that the parts ask for."""
        self.ended_sme.ended_on = date(2026, 2, 27)
        self.ended_sme.row["history"][-1]["at"] = "2026-02-27T09:00:00+08:00"
        self.leaver.ended_on = date(2025, 11, 1)
        del self.leaver.row["state"], self.leaver.row["history"]  # a later step moves it out
        self.mover.row["town_code"] = shape.FENGSHAN  # a later step moves it to 香洲
        for firm, origin, day in zip(self.arrivals, ("440305", "440113"), ("2026-01-20", "2026-03-02"), strict=True):
            firm.row["uscc"] = credit_code(firm.uscc[8:16], division=origin)
            firm.row["active_from"] = day
        self.old_patentee.row["established_on"] = "1998-07-08"
        self.firms[0].row["name"] = "汕尾市城区海洋牧场智能装备与深远海养殖业工程技术开发有限责任公司"
        self.firms[3].row["name"] = "汕尾市新型显示与智能终端制造（红海湾畔）产业技术创新股份有限公司"
        self.firms[5].row["former_names"] = ["汕尾市城区示范电子厂"]
        for firm in (self.firms[0], self.firms[3]):
            assert len(firm.row["name"]) == 32, len(firm.row["name"])

    @property
    def settled(self) -> list[Firm]:
        """Active firms that were here through the whole window and stay in their town."""
        aside = {self.mover.uscc, *(firm.uscc for firm in self.arrivals)}
        return [firm for firm in self.firms if firm.state == "active" and firm.uscc not in aside]


def _industrial(firm: Firm) -> bool:
    return "06" <= str(firm.row["industry_code"])[:2] <= "46"


def _gone(firm: Firm, day: date) -> bool:
    return bool(firm.ended_on and firm.ended_on <= day)
