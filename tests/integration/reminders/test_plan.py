"""Which reminders are written: each once, on its day, as long as there is something to remind of."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from typing import Any

import pytest

from services.registry.reminders import plan
from services.registry.reminders.leads import Lead, read_leads
from services.registry.reminders.main import alarms_of
from shared.errors import ConfigError, Unavailable
from shared.standards.workdays import CalendarMissing, is_workday
from tests.integration.reminders.conftest import CERTIFICATES, World

ISSUED, ENDS = "2023-12-28", date(2026, 12, 28)
DAYS = [ENDS + timedelta(days=n) for n in range(-65, 3)]


def told(world: World, firm: str) -> list[tuple[str, str]]:
    return [(each["lead"], each["created_at"][:10]) for each in world.listed(firm)]


def before(days: int) -> date:
    return ENDS - timedelta(days=days)


def test_each_reminder_comes_once_on_its_day_however_often_one_looks(world: World) -> None:
    firm = world.firm(3000)
    number = world.certificate(0, firm, ISSUED)
    for day in DAYS:
        world.on(day)
        world.on(day)
    assert told(world, firm) == [(str(n), before(n).isoformat()) for n in (60, 30, 7)]
    first = world.listed(firm)[0]
    assert (first["kind"], first["record_id"], first["enterprise_name"]) == ("hnte-certificates", number, "提醒企业3000")
    assert (first["ends_on"], first["last_day"], first["due_on"]) == ("2026-12-28", "2026-12-27", "2026-10-29")
    assert [mail["Message-ID"] for mail in world.mails_to(3000)] == list(dict.fromkeys(m["Message-ID"] for m in world.mails_to(3000)))
    assert len(world.mails_to(3000)) == 3


def test_an_entry_of_a_technology_sme_is_reminded_of_too(world: World) -> None:
    firm = world.firm(3001)
    world.office.make("/registry/v1/tech-sme-entries", {
        "entry_no": "202644150200003001", "uscc": firm, "eval_year": 2026, "announced_on": "2026-03-01"})
    for lead in (60, 30, 7):
        world.on(date(2027, 1, 1) - timedelta(days=lead))
    assert [each["lead"] for each in world.listed(firm)] == ["60", "30", "7"]


def test_what_was_missed_is_made_up_for_and_only_the_nearest_is_sent(world: World) -> None:
    firm = world.firm(3002)
    world.certificate(2, firm, ISSUED)
    world.on(before(20))
    assert [(each["lead"], each["overtaken"]) for each in world.listed(firm)] == [("60", True), ("30", False)]
    world.on(before(5))
    assert [(each["lead"], each["overtaken"]) for each in world.listed(firm)] == [("60", True), ("30", False), ("7", False)]
    assert len(world.mails_to(3002)) == 2


def test_nothing_is_said_after_the_end(world: World) -> None:
    firm = world.firm(3003)
    world.certificate(3, firm, ISSUED)
    world.on(ENDS)
    assert world.listed(firm) == []


def cancelled(world: World, firm: str, number: str) -> None:
    world.office.act(f"{CERTIFICATES}/{number}", 1, "revoke", reason="取消资格", effective_on="2026-10-01")


def renewed(world: World, firm: str, number: str) -> None:
    world.certificate(900_000 + int(number[-6:]), firm, "2026-11-20")


def moved_out(world: World, firm: str, number: str) -> None:
    world.office.act(f"/registry/v1/enterprises/{firm}", 1, "move_out", effective_on="2026-10-01")


ENDINGS = pytest.mark.parametrize("ending", [cancelled, renewed, moved_out])


@ENDINGS
def test_what_was_cancelled_renewed_or_left_is_not_reminded_of(world: World, ending: Any) -> None:
    firm = world.firm({"cancelled": 3010, "renewed": 3011, "moved_out": 3012}[ending.__name__])
    number = world.certificate(int(firm[12:16]) if firm[12:16].isdigit() else 10, firm, ISSUED)
    world.on(before(60))
    assert [each["lead"] for each in world.listed(firm)] == ["60"]
    ending(world, firm, number)
    for lead in (30, 7):
        world.on(before(lead))
    assert [each["lead"] for each in world.listed(firm)] == ["60"]


def test_a_corrected_day_is_reminded_of_anew(world: World) -> None:
    firm = world.firm(3020)
    number = world.certificate(20, firm, ISSUED)
    world.on(before(60))
    world.office.call("PATCH", f"{CERTIFICATES}/{number}", {"issued_on": "2024-01-10"}, version=1)
    world.on(before(30))
    world.on(date(2027, 1, 10) - timedelta(days=30))
    assert [(each["lead"], each["ends_on"]) for each in world.listed(firm)] == [
        ("60", "2026-12-28"), ("60", "2027-01-10"), ("30", "2027-01-10")]


@pytest.mark.parametrize("when", ["before", "inside", "after"])
def test_a_crash_at_any_write_loses_and_doubles_nothing(world: World, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off before the transaction, in the middle of it, or after its commit."""
    number, kept = {"before": 3031, "inside": 3032, "after": 3033}[when], plan.transact
    firm = world.firm(number)
    world.certificate(number, firm, ISSUED)

    def broken(client: Any, work: Any) -> Any:
        def half(session: Any) -> None:
            work(session)
            raise Unavailable("inside")

        if when != "before":
            kept(client, half if when == "inside" else work)
        raise Unavailable(when)

    monkeypatch.setattr(plan, "transact", broken)
    with pytest.raises(Unavailable):
        world.on(before(20))
    monkeypatch.undo()
    for day in (20, 19, 7, 6):
        world.on(before(day))
    assert [each["lead"] for each in world.listed(firm)] == ["60", "30", "7"]
    assert len(world.mails_to(number)) == 2


def test_many_processes_at_once_remind_once(world: World) -> None:
    firm = world.firm(3040)
    world.certificate(40, firm, ISSUED)
    world.on(before(61))
    world.records.clock.instant += timedelta(days=1)
    many = [world.fresh() for _ in range(6)]
    threads = [threading.Thread(target=one.step) for one in many]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each["lead"] for each in world.listed(firm)] == ["60"]
    assert len(world.mails_to(3040)) == 1


def test_working_days_are_counted_by_the_calendar(world: World) -> None:
    """Seven working days before 12 October 2026: over the national holiday and its make-up days 20 September, 10 October."""
    due = Lead(7, working=True).due_on(date(2026, 10, 12))
    worked = [day for day in (due + timedelta(days=n) for n in range((date(2026, 10, 12) - due).days)) if is_workday(day)]
    assert (due, len(worked)) == (date(2026, 9, 24), 7)
    firm = world.firm(3050)
    world.certificate(50, firm, "2023-10-12")
    leads = {"reminders": "hnte-certificates=7w"}
    for day in (date(2026, 9, 23), date(2026, 9, 24)):
        world.on(day - timedelta(days=100))
        world.records.clock.instant += timedelta(days=100)
        world.fresh(**leads).step()
        found = [each for each in world.listed(firm) if each["lead"] == "7w"]
        assert len(found) == (day == date(2026, 9, 24))
    assert (found[0]["days_left"], found[0]["working_days_left"]) == (18, 6)


def test_a_year_without_a_calendar_is_told_and_never_guessed(world: World) -> None:
    firm = world.firm(3060)
    world.certificate(60, firm, "2024-02-20")  # ends in 2027, whose holidays nobody has announced
    with pytest.raises(CalendarMissing):
        Lead(7, working=True).due_on(date(2027, 2, 20))
    world.on(date(2026, 11, 1))
    world.records.clock.instant += timedelta(days=92)
    world.fresh(reminders="hnte-certificates=30,7w").step()
    assert [(each["lead"], each["working_days_left"]) for each in world.listed(firm)] == [("30", None)]
    assert any("2027" in alarm for alarm in alarms_of(world.records)())
    ready = world.office.clients["registry"].get("/registry/-/ready").json
    assert any("2027" in alarm for alarm in ready["alarms"])


def test_leads_are_read_and_checked() -> None:
    assert read_leads("a=60,7w; b=1")["a"] == (Lead(60), Lead(7, True))
    for text in ("a", "a=", "a=0", "a=7x", "=7", "a=7,,8"):
        with pytest.raises(ConfigError):
            read_leads(text)


def test_reminders_of_what_never_ends_are_a_mistake(world: World) -> None:
    with pytest.raises(ConfigError, match="statistics"):
        world.fresh(reminders="statistics=7")
