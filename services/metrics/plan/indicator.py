"""One entry of `indicators.yaml` as an `Indicator`, with every fault of form noted at its place."""

from __future__ import annotations

from services.metrics.plan.model import Indicator, Part, Plan, Point, Reader, Target
from services.metrics.plan.source import Spot

KINDS = ("stock", "flow", "cumulative", "ratio", "stat", "evidence")
DIMS = ("town", "cluster", "hitech_zone", "kind", "level", "degree", "year", "crop", "policy", "month", "days")
PLACES = ("current", "at_start", "at_baseline", "record")
OPERATORS = (">=", ">", "<=", "<", "=")
COMMITMENTS = ("达到", "力争", "争取", "加快")
SECTIONS = ("A.1", "A.2", "ledger")
REQUIRED = ("id", "name", "clause", "kind", "unit", "read", "section", "formula")
FLAGS = ("person", "value_series", "secondary")
OPTIONAL = (
    "decimals", "scale", "numerator", "denominator", "series", "per", "groups", "share", "dims", "target", "baseline", "milestones",
    *FLAGS, "definition_version", "lead", "responsible",
)  # fmt: skip
# unit -> (decimals shown, base units in one unit); every other unit counts whole things
UNITS = {"%": (2, 1), "倍": (4, 1), "件/万人": (4, 1), "元": (2, 100), "万元": (2, 10**6), "万人": (2, 10**4)}
PERCENT_SERIES_SCALE = 10**6  # a published percentage is kept in millionths
SERIES = (
    "gdp", "rd_expenditure", "basic_research_expenditure", "resident_population", "above_scale_value_added",
    "hightech_manufacturing_value_added", "talent_resource_total", "science_literacy_rate", "rd_survey_units_obliged",
    "rd_survey_units_reported", "hitech_zone_rank",
)  # fmt: skip
# reader -> (fields it needs, fields it may have)
READERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "sum": (("numerator",), ()),
    "ratio": (("numerator", "denominator"), ()),
    "multiple": (("numerator", "denominator"), ()),
    "growth": (("numerator", "denominator"), ()),
    "groups_with_any": (("numerator", "groups"), ()),
    "latest_period": (("series",), ()),
    "period_growth": (("series",), ()),
    "per": (("numerator", "series", "per"), ()),
    "attested": ((), ("numerator",)),
    "quantile": (("numerator", "share"), ()),
}
READER_FIELDS = ("numerator", "denominator", "series", "groups", "per", "share")
# which series each reader over statistics takes: (needed, allowed)
SERIES_PARTS = {
    "latest_period": (("numerator",), ("denominator",)),
    "period_growth": (("numerator",), ()),
    "per": (("denominator",), ()),
}
Places = dict[tuple[str, ...], Spot]


def read_indicator(spot: Spot, plan: Plan, places: Places) -> Indicator:
    """Read one definition; what is wrong is noted and replaced by a stand-in."""
    fields = spot.fields(REQUIRED, OPTIONAL)
    name, unit = fields["id"].text(), fields["unit"].text()
    places[("indicator", name)] = spot
    dims = fields["dims"].some_of(DIMS, "dimension")
    reader = _reader(spot, fields, dims, plan)
    decimals, scale = UNITS.get(unit, (0, 1))
    if reader.name == "latest_period" and unit == "%" and not reader.denominator:
        scale = PERCENT_SERIES_SCALE
    return Indicator(
        id=name,
        name=fields["name"].names(),
        clause=fields["clause"].texts(),
        kind=fields["kind"].one_of(KINDS, "kind of indicator"),
        unit=unit,
        decimals=decimals if fields["decimals"].empty else fields["decimals"].whole(0),
        scale=scale if fields["scale"].empty else fields["scale"].whole(1),
        reader=reader,
        numerator=_part(fields["numerator"], (name, "numerator"), places),
        denominator=_part(fields["denominator"], (name, "denominator"), places),
        dims=dims,
        target=_target(fields["target"], unit),
        baseline=None if fields["baseline"].empty else _point(fields["baseline"]),
        milestones=_milestones(fields["milestones"]),
        definition_version=fields["definition_version"].whole(1),
        section=fields["section"].one_of(SECTIONS, "section"),
        formula=fields["formula"].names(),
        lead=fields["lead"].some_of(plan.units, "unit"),
        responsible=fields["responsible"].some_of(plan.units, "unit"),
        person=fields["person"].flag(),
        value_series=fields["value_series"].flag(),
        secondary=fields["secondary"].flag(),
    )


def _reader(spot: Spot, fields: dict[str, Spot], dims: tuple[str, ...], plan: Plan) -> Reader:
    """The reader with what it needs; what it does not take is a fault."""
    name = fields["read"].one_of(tuple(READERS), "reader")
    needed, allowed = READERS.get(name, ((), READER_FIELDS))
    for field in READER_FIELDS:
        if field in needed and fields[field].empty:
            spot.fault(f"reader {name} needs {field}")
        if field not in (*needed, *allowed) and not fields[field].empty:
            fields[field].fault(f"reader {name} takes no {field}")
    if name == "groups_with_any":
        return _groups(fields["groups"], dims, plan)
    if name == "quantile":
        if "days" not in dims:
            spot.fault("reader quantile needs the dimension days")
        return Reader(name, share=fields["share"].number())
    parts = fields["series"].fields(*SERIES_PARTS[name]) if name in SERIES_PARTS else {}
    series = {part: given.one_of(SERIES, "series of statistics") or None for part, given in parts.items()}
    if name == "latest_period":
        return Reader(name, numerator=series.get("numerator"), denominator=series.get("denominator"))
    if name == "period_growth":
        return Reader(name, series=series.get("numerator"))
    if name == "per":
        return Reader(name, series=series.get("denominator"), per=fields["per"].whole(1))
    return Reader(name)


def _groups(spot: Spot, dims: tuple[str, ...], plan: Plan) -> Reader:
    """`list` is the groups themselves or the name of one of the plan's lists."""
    fields = spot.fields(("dim", "list"), ("show",))
    dim = fields["dim"].one_of(DIMS, "dimension")
    if dim and dim not in (*dims, "town"):
        fields["dim"].fault(f"{dim} is not among the indicator's dims")
    groups = fields["list"].texts() if fields["list"].is_list else plan.lists.get(fields["list"].text(), ())
    if not fields["list"].is_list and not groups and not fields["list"].empty:
        fields["list"].fault(f"unknown list {fields['list'].quietly().text()}")
    show = fields["show"].one_of(("ratio", "count"), "way to show groups") or "ratio"
    return Reader("groups_with_any", dim=dim or None, groups=groups, show=show)


def _part(spot: Spot, name: tuple[str, str], places: Places) -> Part | None:
    if spot.empty:
        return None
    fields = spot.fields(("each", "when"), ("where", "amount", "place"))
    places.update({(*name, key): value for key, value in fields.items()})
    each = fields["each"].text()
    for key in ("where", "amount"):
        if each == "subject" and not fields[key].empty:
            fields[key].fault(f"{key} needs `each: <record kind>`")
    return Part(
        each=each,
        where=fields["where"].text() or None,
        when=fields["when"].text(),
        amount=fields["amount"].text() or "1",
        place=fields["place"].one_of(PLACES, "place") or "current",
    )


def _target(spot: Spot, unit: str) -> Target | None:
    if spot.empty:
        return None
    fields = spot.fields(("operator", "value", "unit", "by", "deadline_stated", "commitment"))
    target = Target(
        operator=fields["operator"].one_of(OPERATORS, "operator"),
        value=fields["value"].number(),
        unit=fields["unit"].text(),
        by=fields["by"].day(),
        deadline_stated=fields["deadline_stated"].flag(),
        commitment=fields["commitment"].one_of(COMMITMENTS, "commitment"),
    )
    if target.unit and target.unit != unit:
        fields["unit"].fault(f"the target is in {target.unit}, the indicator in {unit}")
    return target


def _point(spot: Spot) -> Point:
    fields = spot.fields(("on", "value"))
    return Point(on=fields["on"].day(), value=fields["value"].number())


def _milestones(spot: Spot) -> tuple[Point, ...]:
    found = tuple(_point(item) for item in spot.items())
    days = [point.on for point in found]
    if days != sorted(set(days)):
        spot.fault("milestones stand in the order of their days, each day once")
    return found
