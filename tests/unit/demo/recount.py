"""A plain count over the demo files, written from the domain notes; it shares nothing with the generator or the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Row = dict[str, Any]
FOLDER = Path(__file__).resolve().parents[3] / "plans" / "chengqu-2026" / "demo"
DEMO, BASELINE = "2026-06-30", "2023-12-31"
TOWNS = ["441502001", "441502002", "441502003", "441502007", "441502100", "441502102", "441502103"]
NOT_REGISTERED = ("draft", "submitted", "bureau_review", "returned", "rejected")
LEVELS = ["district", "municipal", "provincial", "national"]


def read(kind: str) -> list[Row]:
    return [json.loads(line) for line in (FOLDER / f"{kind}.ndjson").read_text("utf-8").splitlines()]


class District:
    """The district after the steps, asked day by day. Dates are ISO strings, which compare like dates."""

    def __init__(self) -> None:
        self.kinds = {path.stem: read(path.stem) for path in FOLDER.glob("*.ndjson")}
        self.ended: dict[str, str] = {}
        self.moves: dict[str, tuple[str, str]] = {}
        self.revoked: dict[str, str] = {}
        self.lapsed: dict[str, str] = {}
        for step in self.kinds.pop("steps"):
            self._take(step)
        self.firms = {row["uscc"]: row for row in self.kinds["enterprises"]}
        for uscc, firm in self.firms.items():
            if firm.get("state") in ("deregistered", "moved_out", "licence_revoked"):
                self.ended[uscc] = firm["history"][-1]["at"][:10]

    def _take(self, step: Row) -> None:
        if step["step"] == "post_twice":
            return
        found = [row for row in self.kinds[step["kind"]] if all(row.get(k) == v for k, v in step["find"].items())]
        assert len(found) == 1, step
        row = found[0]
        match step.get("action"):
            case "move_out":
                self.ended[row["uscc"]] = step["effective_on"]
            case "lapse":
                self.lapsed[row["patent_no"]] = step["effective_on"]
            case "revoke":
                self.revoked[row["entry_no"]] = step["effective_on"]
            case None if "effective_on" in step:
                self.moves[row["uscc"]] = (step["effective_on"], step["change"]["town_code"])
            case None:
                row.update(step["change"])

    def alive(self, uscc: str, day: str) -> bool:
        firm = self.firms.get(uscc)
        if firm is None or firm.get("state") in NOT_REGISTERED:
            return False
        return firm.get("active_from", firm["established_on"]) <= day < self.ended.get(uscc, "9999")

    def town(self, uscc: str, day: str) -> str:
        since, town = self.moves.get(uscc, ("9999", ""))
        return town if day >= since else str(self.firms[uscc]["town_code"])

    def hnte(self, day: str) -> set[str]:
        def expires(row: Row) -> str:
            return f"{int(row['issued_on'][:4]) + 3}{row['issued_on'][4:]}"

        return self._living({r["uscc"] for r in self.kinds["hnte-certificates"] if r["issued_on"] <= day < expires(r)}, day)

    def sme(self, day: str) -> set[str]:
        entries = self.kinds["tech-sme-entries"]
        year = [r for r in entries if r["eval_year"] == int(day[:4]) and r["announced_on"] <= day]
        return self._living({r["uscc"] for r in year if day < self.revoked.get(r["entry_no"], "9999")}, day)

    def scale(self, day: str) -> set[str]:
        month = day[:7]
        spells = self.kinds["above-scale-spells"]
        listed = {r["uscc"] for r in spells if r["from_month"] <= month < r.get("to_month", "9999")}
        return self._living({u for u in listed if 6 <= int(self.firms[u]["industry_code"][:2]) <= 46}, day)

    def with_unit(self, day: str) -> set[str]:
        platforms = {row["name"]: row for row in self.kinds["platforms"]}

        def counts(unit: Row) -> bool:
            hosted = platforms.get(unit.get("platform_id", ""))
            if unit.get("platform_id"):
                assert hosted
                assert hosted["host_uscc"] == unit["uscc"]
                if not self.accredited(hosted, day):
                    return False
            return bool(unit["valid_from"] <= day < unit.get("valid_to", "9999"))

        return {unit["uscc"] for unit in self.kinds["rd-units"] if counts(unit)}

    def accredited(self, platform: Row, day: str, level: str = "district") -> bool:
        if platform["host_uscc"] in self.firms and not self.alive(platform["host_uscc"], day):
            return False
        return any(
            given["granted_on"] <= day < given.get("valid_to", "9999") and LEVELS.index(given["level"]) >= LEVELS.index(level)
            for given in platform["accreditations"]
        )

    def platforms(self, kinds: tuple[str, ...], level: str = "district", day: str = DEMO) -> list[Row]:
        return [p for p in self.kinds["platforms"] if p["platform_kind"] in kinds and self.accredited(p, day, level)]

    def patents(self, day: str) -> list[Row]:
        def in_force(row: Row) -> bool:
            end = min(f"{int(row['filed_on'][:4]) + 20}{row['filed_on'][4:]}", self.lapsed.get(row["patent_no"], "9999"))
            return bool(row["granted_on"] <= day < end and self.alive(row["first_patentee_uscc"], day))

        return [row for row in self.kinds["patents"] if row["patent_kind"] == "invention" and in_force(row)]

    def graduates(self, day: str) -> dict[str, str]:
        """Counted persons and the town of the earliest record that counts."""
        towns: dict[str, tuple[str, str]] = {}
        for row in self.kinds["introductions"]:
            if row.get("state", "registered") in ("registered", "departed") and "2024-01-01" <= row["hired_on"] <= day:
                person, found = row["person"]["id_number"], (row["hired_on"], row["town_code"])
                assert towns.get(person, ("",))[0] != row["hired_on"], "a tie"
                towns[person] = min(towns.get(person, found), found)
        return {person: town for person, (_, town) in towns.items()}

    def credit(self, firms: set[str], day: str) -> int:
        return sum(
            row["amount_fen"]
            for row in self.kinds["credit-lines"]
            if row["uscc"] in firms and row["valid_from"] <= day < row["valid_to"]
        )

    def _living(self, uscc: set[str], day: str) -> set[str]:
        return {each for each in uscc if self.alive(each, day)}

    def by_town(self, uscc: set[str], day: str = DEMO) -> list[int]:
        return count([self.town(each, day) for each in uscc])


def count(towns: list[str]) -> list[int]:
    assert set(towns) <= set(TOWNS)
    return [towns.count(town) for town in TOWNS]


def half_up(numerator: int, denominator: int, decimals: int) -> float:
    scaled = 10**decimals
    return ((2 * numerator * scaled + denominator) // (2 * denominator)) / scaled


