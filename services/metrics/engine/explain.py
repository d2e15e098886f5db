"""Which records make a number, and why the others do not: one item per counted unit, one per record left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.metrics.engine import days as d
from services.metrics.engine.language import Moment, in_force
from services.metrics.engine.reading import PublishedFigure
from services.metrics.engine.rules import PartRule, Row, Rules
from services.metrics.engine.series import SeriesRule
from services.metrics.engine.subject import Subject
from services.metrics.engine.views import ENTERPRISES, View
from services.metrics.plan.model import Indicator, Plan

PERSON_KINDS = frozenset({"introductions", "talent-recognitions"})


@dataclass(frozen=True)
class Item:
    """One line of a drill-down. `cell` is the place and kind it was counted in; `reason` says why it was not."""

    subject: str
    part: str
    counted: bool
    amount: int
    cell: dict[str, str]
    records: tuple[tuple[str, str, int], ...]  # (kind, id, version)
    reason: str | None


def explain(
    plan: Plan,
    rules: Rules,
    indicator: Indicator,
    subject: Subject,
    day: int,
    rests_on: Mapping[PublishedFigure, str] | None = None,
) -> list[Item]:
    """Every unit that a subject adds to an indicator on a day, and every record of it that adds nothing.

    `rests_on`: the published figures that the reading was made of; those of other periods and scopes are left out.
    """
    towns = {town.code for town in plan.towns if town.in_scope} | {""}
    items = [
        item
        for rule in rules.series
        if rule.indicator == indicator.id and rule.series == subject.key
        for item in _figures(rule, subject, day, rests_on or {})
    ]
    for rule in rules.of(indicator.id):
        if not rule.kinds & subject.views.keys():
            continue
        rows = [row for row in rule.rows(subject) if row.start <= day < row.end]
        items += _counted(rule, rows, subject, day, towns)
        items += _left_out(rule, rows, subject, day, plan)
    return items


def _figures(rule: SeriesRule, subject: Subject, day: int, rests_on: Mapping[PublishedFigure, str]) -> Iterator[Item]:
    views = {view.name: view for view in subject.of("statistics")}
    periods = {period for _, period, _ in rests_on}
    for part, cell, start, end, amount, record in rule.rows(subject):
        if not start <= day < end or ("is", "value") not in cell:
            continue
        view, dims = views.pop(record), dict(cell[1:])
        shown = rests_on.get((part, dims["period"], dims["scope"]))
        reason = None if shown else "out_of_scope" if dims["period"] in periods else "outside_window"
        yield Item(subject.key, shown or part, shown is not None, amount if shown else 0, dims, (view.reference,), reason)
    for view in views.values():
        if view.elsewhere(day):
            continue
        yield Item(subject.key, rule.part, False, 0, {}, (view.reference,), _standing(view, day))


def _standing(view: View, day: int) -> str:
    """Why a published figure does not hold for its period."""
    if d.contains(view.revoked, day):
        return "revoked"
    if view.start is None or day < view.start:
        return "not_yet_valid"
    return "not_verified" if view.data.get("state") == "recorded" else "superseded"


def _counted(rule: PartRule, rows: list[Row], subject: Subject, day: int, towns: set[str]) -> Iterator[Item]:
    for row in rows:
        cell = dict(row.cell)
        inside = cell.get("town", "") in towns
        records = tuple(dict.fromkeys(v.reference for v in _support(rule, row, subject, day)))
        if not records and subject.enterprise is not None:
            records = ((ENTERPRISES, subject.key, int(subject.enterprise.get("version", 1))),)
        name = row.record.partition("/")[2] if rule.spec.each != "subject" else subject.key
        yield Item(name, rule.part, inside, row.amount, cell, records, None if inside else "out_of_scope")


def _support(rule: PartRule, row: Row, subject: Subject, day: int) -> list[View]:
    """The record a row was made of, or the earliest one in force of each kind that the rule reads."""
    if row.record:
        return [view for views in subject.views.values() for view in views if view.name == row.record]
    if "started_in(" in rule.spec.when:
        moment = Moment(subject)
        rule.when(moment)
        return [moment.chosen] if moment.chosen else []
    found = []
    for kind in sorted(rule.kinds - {"platforms"} or rule.kinds):
        standing = [view for view in subject.of(kind) if d.contains(_span(rule, view, subject), day)]
        found += standing[:1]
    return found


def _span(rule: PartRule, view: View, subject: Subject) -> d.Days:
    return view.since if "since(" in rule.spec.when or "started_in(" in rule.spec.when else in_force(view, subject)


def _left_out(rule: PartRule, rows: list[Row], subject: Subject, day: int, plan: Plan) -> Iterator[Item]:
    used = {view.name for row in rows for view in _support(rule, row, subject, day)}
    kinds = {rule.spec.each} if rule.spec.each != "subject" else rule.kinds
    for kind in sorted(kinds):
        for view in subject.of(kind):
            if view.name in used or view.elsewhere(day) or (rule.where is not None and not rule.where(view)):
                continue
            reason = "outside_window" if _too_early(rule, view, plan) else _reason(rule, view, subject, day, bool(rows))
            name = view.id if rule.spec.each != "subject" else subject.key
            yield Item(name, rule.part, False, 0, {}, (view.reference,), reason)


def _too_early(rule: PartRule, view: View, plan: Plan) -> bool:
    """Whether a rule over what starts in the plan window meets a record from before it."""
    starts = "started_in(" in rule.spec.when or "start in plan_window" in rule.spec.when
    return starts and view.counts and view.start is not None and view.start < plan.window[0].toordinal()


def _reason(rule: PartRule, view: View, subject: Subject, day: int, counted: bool) -> str:
    state = str(view.data.get("state"))
    if state in ("invalidated", "merged"):
        return "invalidated" if state == "invalidated" else "duplicate_person"
    if not view.counts:
        return "not_verified"
    if d.contains(view.revoked, day) or state == "revoked":
        return "revoked"
    if view.start is None or day < view.start:
        return "not_yet_valid"
    if "alive" in rule.spec.when and not d.contains(subject.alive, day):
        return "enterprise_not_active"
    span = _span(rule, view, subject)
    if counted and d.contains(span, day):
        return "duplicate_person" if view.kind.name in PERSON_KINDS else "duplicate"
    if "gone" in rule.spec.when and d.contains(subject.gone, day):
        return "enterprise_not_active"
    if (
        view.kind.name == "platforms"
        and "accredited(" in rule.spec.when
        and view.data.get("state") in ("accredited", "rectifying")
    ):
        return "level_too_low"
    if not d.contains(span, day):
        return "expired"
    return "outside_window" if "window" in rule.spec.when or "annual(" in rule.spec.when else "condition_not_met"
