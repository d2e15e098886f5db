"""Writes the demo district's files; the same ones on every run.

`python -m deploy.local.demo.generate` rewrites `plans/chengqu-2026/demo/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from deploy.local.demo import FOLDER, STEPS, awards, figures, institutions, registers, shape, talent
from deploy.local.demo.cast import Cast
from deploy.local.demo.firms import Row, make_firms

SEED = 441502
KEYS = {"hnte-certificates": "cert_no", "tech-sme-entries": "entry_no", "tech-contracts": "registration_no", "patents": "patent_no"}


def district() -> dict[str, list[Row]]:
    """Every file by name: the rows of each record kind, and the steps that follow the bulk load."""
    random = Random(SEED)
    cast = Cast(make_firms(random), random)
    platforms = institutions.platforms(cast)
    hosted = [platform for platform in platforms if platform["platform_kind"] in institutions.OWN_UNIT]
    files = {
        "enterprises": [firm.row for firm in cast.firms],
        "hnte-certificates": registers.certificates(cast, random),
        "tech-sme-entries": registers.sme_entries(cast, random),
        "above-scale-spells": registers.above_scale_spells(cast, random),
        "platforms": platforms,
        "rd-units": registers.rd_units(cast, random, hosted),
        "tech-contracts": institutions.contracts(cast, random),
        "patents": institutions.patents(cast, random),
        "industrial-internet-projects": registers.internet_projects(cast, random),
        "credit-lines": registers.credit_lines(cast, random),
        "agri-bases": figures.agri_bases(),
        "agri-varieties": figures.agri_varieties(),
        "statistics": figures.statistics(),
        "evidence-items": figures.evidence(),
        "introductions": talent.introductions(cast, random),
        "talent-recognitions": talent.recognitions(cast, random),
        "teams": talent.teams(),
    }
    files |= {"budgets": awards.budgets(), "applications": awards.applications(files["introductions"])}
    return files | {STEPS: [*_repeats(files), *_backdated(cast), *_corrections(cast, files)]}


def _repeats(files: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Nine records that a careless client posts twice under one key."""
    chosen = {"hnte-certificates": (0, 14, 30), "tech-sme-entries": (3, 50, 120), "tech-contracts": (5, 9), "patents": (2,)}
    return [
        {"step": "post_twice", "kind": kind, "find": {KEYS[kind]: files[kind][n][KEYS[kind]]}, "key": f"demo-{kind}-{n}"}
        for kind, numbers in chosen.items()
        for n in numbers
    ]


def _backdated(cast: Cast) -> list[Row]:
    """Four changes that reach the register after the day from which they hold."""

    def late(step: str, kind: str, find: Row, effective_on: str, reason: str, **more: Any) -> Row:
        return {"step": step, "kind": kind, "find": find, **more, "effective_on": effective_on, "reason": reason}

    leaver, mover = {"uscc": cast.leaver.uscc}, {"uscc": cast.mover.uscc}
    return [
        late("transition", "enterprises", leaver, "2025-11-01", "迁出登记迟报", action="move_out"),
        late("patch", "enterprises", mover, "2026-02-01", "住所变更迟报", change={"town_code": shape.XIANGZHOU}),
        late("transition", "patents", {"patent_no": cast.lapsed_patent}, "2026-01-15", "未缴年费终止", action="lapse"),
        late("transition", "tech-sme-entries", {"entry_no": cast.revoked_entry}, "2026-03-27", "不再符合条件", action="revoke"),
    ]


def _corrections(cast: Cast, files: Mapping[str, Sequence[Row]]) -> list[Row]:
    """Three mistakes put right: an amount, a degree, a document number. Each holds from the record's first day."""
    contract = {"registration_no": cast.corrected_contract}
    student = next(row for row in files["introductions"] if row["degree_level"] == "college" and row["town_code"] == shape.FENGSHAN)
    person = {field: student[field] for field in ("employer_uscc", "hired_on", "school", "graduated_on")}
    talented = files["talent-recognitions"][-1]
    return [
        {"step": "patch", "kind": "tech-contracts", "find": contract, "reason": "金额录入有误",
         "change": {"deal_amount_fen": 100_000_000, "tech_amount_fen": 80_000_000}},
        {"step": "patch", "kind": "introductions", "find": person, "reason": "学历经核验更正", "change": {"degree_level": "bachelor"}},
        {"step": "patch", "kind": "talent-recognitions", "find": {"granted_on": talented["granted_on"]}, "reason": "文号更正",
         "change": {"doc_no": "城人才〔2026〕2号"}},
    ]  # fmt: skip


def lines(rows: Sequence[Row]) -> str:
    """Rows as NDJSON."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main(folder: Path = FOLDER) -> None:
    """Write all files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in district().items():
        (folder / f"{name}.ndjson").write_text(lines(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
