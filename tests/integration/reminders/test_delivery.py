"""How reminders leave: signed, tried again, to the right address, and never about what is over."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.registry.reminders import delivery
from services.registry.reminders.delivery import CLAIMED_S, MOST_TRIES
from services.registry.reminders.main import Settings, channels_of
from shared.clock import SHANGHAI, FixedClock
from shared.errors import ConfigError
from tests.integration.reminders.conftest import CERTIFICATES, SECRET, World
from tests.system.made import DONGCHONG, HONGCAO
from tests.system.stack import wait_until

ISSUED, DUE = "2023-12-28", date(2026, 11, 28)  # thirty days before the end


def hooks(world: World, firm: str) -> list[tuple[dict[str, str], dict[str, Any]]]:
    found = [(headers, json.loads(body)) for headers, body in world.receiver.got]
    return [(headers, body) for headers, body in found if body["data"]["uscc"] == firm]


def deliveries(world: World, firm: str) -> dict[str, dict[str, Any]]:
    return {each["channel"]: each for each in world.listed(firm, more="&lead=30")[0]["deliveries"]}


def later(world: World, seconds: float) -> None:
    world.now_s += seconds
    world.fresh().step()


def test_a_webhook_is_signed_and_names_no_person(world: World) -> None:
    firm = world.firm(3500, contact_name="欧阳明珠", contact_phone="13800138000", legal_rep_name="司马相如")
    number = world.certificate(500, firm, ISSUED)
    world.on(DUE)
    (headers, body), = hooks(world, firm)
    raw = next(raw for got, raw in world.receiver.got if got["webhook-id"] == headers["webhook-id"])
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = hmac.new(key, f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + raw, hashlib.sha256).digest()
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(signed).decode()}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    assert body["type"] == "qualification.lapse"
    assert body["data"] == {
        "id": f"hnte-certificates/{number}/2026-12-28/30", "kind": "hnte-certificates", "record_id": number, "uscc": firm,
        "enterprise_name": "提醒企业3500", "town_code": HONGCAO, "ends_on": "2026-12-28", "last_day": "2026-12-27", "lead": "30",
        "due_on": "2026-11-28",
    }
    whole = raw.decode() + json.dumps(world.listed(firm), ensure_ascii=False)
    assert not [each for each in ("欧阳", "138001", "司马", "office3500") if each in whole]


def test_a_webhook_is_tried_again_with_the_same_id_until_it_is_taken(world: World) -> None:
    firm = world.firm(3501)
    world.receiver.answers = [500, 302, 429]
    world.certificate(501, firm, ISSUED)
    world.on(DUE)
    assert (deliveries(world, firm)["webhook"]["state"], deliveries(world, firm)["webhook"]["reason"]) == ("waiting", "HTTP 500")
    for _ in range(6):
        later(world, 300)
    got = hooks(world, firm)
    assert len(got) == 4
    assert len({headers["webhook-id"] for headers, _ in got}) == 1
    assert len({json.dumps(body) for _, body in got}) == 1
    assert (deliveries(world, firm)["webhook"]["state"], deliveries(world, firm)["webhook"]["tries"]) == ("sent", 4)


def test_a_receiver_that_never_takes_it_is_given_up_visibly(world: World) -> None:
    firm = world.firm(3502)
    world.receiver.answers = [503] * (MOST_TRIES + 5)
    world.certificate(502, firm, ISSUED)
    world.on(DUE)
    for _ in range(MOST_TRIES + 3):
        later(world, 7 * 3_600)
    assert len(hooks(world, firm)) == MOST_TRIES
    assert deliveries(world, firm)["webhook"]["state"] == "failed"
    world.receiver.answers = []


def test_a_process_that_dies_after_a_send_leaves_it_to_the_next_under_the_same_id(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    firm = world.firm(3503, contact_email=None)
    world.certificate(503, firm, ISSUED)
    world.records.clock = FixedClock(datetime(2026, 11, 28, 9, tzinfo=SHANGHAI))
    monkeypatch.setattr(delivery.Deliveries, "_set", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        world.fresh().step()
    monkeypatch.undo()
    later(world, CLAIMED_S - 1)
    later(world, 2)
    later(world, 3_600)
    ids = [headers["webhook-id"] for headers, _ in hooks(world, firm)]
    assert len(set(ids)) == 1
    assert len(ids) <= 2
    assert deliveries(world, firm)["webhook"]["state"] == "sent"


def test_a_mail_goes_to_the_enterprise_and_says_what_lapses(world: World) -> None:
    firm = world.firm(3504)
    number = world.certificate(504, firm, ISSUED)
    world.on(DUE)
    mail, = world.mails_to(3504)
    assert mail["From"] == "kechuang@example.gov.cn"
    assert mail["Subject"] == f"【到期提醒】高新技术企业证书 {number} 有效期至 2026-12-27"
    text = mail.get_content()
    assert "提醒企业3504" in text
    assert "自2026-12-28零时起失效" in text


def test_a_busy_mail_server_is_asked_again_and_a_refused_address_is_not(world: World) -> None:
    busy, refused, none = (world.firm(number) for number in (3505, 3506, 3507))
    world.office.call("PATCH", f"/registry/v1/enterprises/{none}", {"contact_email": None}, version=1)
    world.post.refused = {"office3506@firm.example"}
    world.post.busy = 1
    for number, firm in ((505, busy), (506, refused), (507, none)):
        world.certificate(number, firm, ISSUED)
        world.on(DUE)
    later(world, 3_600)
    assert len(world.mails_to(3505)) == 1
    assert {world_state(world, each) for each in (refused, none)} == {("failed", "SMTP 550"), ("failed", "the enterprise has given no address")}
    assert "office3506" not in json.dumps(world.listed(refused))


def world_state(world: World, firm: str) -> tuple[str, str]:
    found = deliveries(world, firm)["email"]
    return found["state"], found["reason"]


def test_a_mail_server_that_is_away_is_waited_for(world: World) -> None:
    firm = world.firm(3508)
    world.certificate(508, firm, ISSUED)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        world.records.clock = FixedClock(datetime(2026, 11, 28, 9, tzinfo=SHANGHAI))
        world.fresh(smtp_port=taken.getsockname()[1]).step()
    assert world_state(world, firm) == ("waiting", "ConnectionRefusedError")
    later(world, 3_600)
    assert len(world.mails_to(3508)) == 1


@pytest.mark.parametrize("ending", ["revoke", "renew", "lapse"])
def test_what_ended_between_plan_and_send_is_not_sent(world: World, ending: str) -> None:
    number = {"revoke": 3510, "renew": 3511, "lapse": 3512}[ending]
    firm = world.firm(number)
    world.receiver.answers = [500]
    held = world.certificate(number, firm, ISSUED)
    world.records.clock = FixedClock(datetime(2026, 11, 28, 9, tzinfo=SHANGHAI))
    world.fresh().planner.run()
    if ending == "revoke":
        world.office.act(f"{CERTIFICATES}/{held}", 1, "revoke", reason="取消")
    elif ending == "renew":
        world.certificate(number + 90_000, firm, "2026-11-01")
    else:
        world.records.clock.instant += timedelta(days=30)
    later(world, 1)
    world.receiver.answers = []
    assert {each["state"] for each in deliveries(world, firm).values()} == {"dropped"}
    assert (hooks(world, firm), world.mails_to(number)) == ([], [])


def test_an_enterprise_and_its_town_see_their_own(world: World) -> None:
    firm, other = world.firm(3520), world.firm(3521, town_code=DONGCHONG)
    for number, each in ((520, firm), (521, other)):
        world.certificate(number, each, ISSUED)
    world.on(DUE)

    def seen(by: str, query: str = "") -> set[str]:
        answer = world.office.call("GET", f"/registry/v1/notifications?limit=500{query}", by=by)
        return {each["uscc"] for each in answer.json["items"]} if answer.status_code == 200 else {str(answer.status_code)}

    assert seen(f"enterprise_agent:agent:{firm}") == {firm}
    assert seen(f"enterprise_agent:agent:{firm}", f"&uscc={other}") == set()
    assert firm in seen(f"town_reviewer:t:{HONGCAO}")
    assert seen(f"town_reviewer:t:{DONGCHONG}") == {other}
    assert {firm, other} <= seen("bureau_reviewer:b")
    assert seen("enterprise_agent:nobody") == set()
    assert [seen(by) for by in ("viewer:v", "talent:t", "sysadmin:s", "")] == [{"403"}, {"403"}, {"403"}, {"401"}]
    assert "deliveries" not in world.listed(firm, by=f"enterprise_agent:agent:{firm}")[0]


def test_pages_hold_each_notification_once(world: World) -> None:
    whole = [each["id"] for each in world.office.call("GET", "/registry/v1/notifications?limit=500", by="auditor").json["items"]]
    paged, cursor = [], ""
    while True:
        page = world.office.call("GET", f"/registry/v1/notifications?limit=3{cursor}", by="auditor").json
        paged += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next'].replace('+', '%2B')}"
    assert paged == whole
    assert len(set(whole)) == len(whole) > 10


def test_the_loop_reminds_until_it_is_told_to_stop(world: World) -> None:
    firm = world.firm(3530)
    world.certificate(530, firm, ISSUED)
    world.records.clock = FixedClock(datetime(2026, 11, 28, 9, tzinfo=SHANGHAI))
    stop = threading.Event()
    thread = threading.Thread(target=world.fresh().run, args=(stop,))
    thread.start()
    wait_until(lambda: len(world.mails_to(3530)) == 1, what="the mail")
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize("half", [
    {"reminder_webhook_url": "http://127.0.0.1:1"}, {"reminder_webhook_url": "http://127.0.0.1:1", "reminder_webhook_secret": "whsec_c2hvcnQ="},
    {"reminder_webhook_url": "http://127.0.0.1:1", "reminder_webhook_secret": "whsec_???"}, {"smtp_host": "127.0.0.1"},
])
def test_a_channel_that_is_only_half_configured_is_told_at_the_start(half: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        channels_of(Settings(**half))
    assert channels_of(Settings()) == []
