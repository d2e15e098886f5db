"""The registry with a clock that the test moves, a real SMTP server, and a real receiver of webhooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, datetime, time
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import mongoengine
import pytest
from aiosmtpd.controller import Controller

from deploy.local.mongod import free_port
from services.registry.reminders.main import Reminders, Settings
from shared.clock import SHANGHAI, FixedClock
from tests.integration.records.conftest import Office
from tests.system.made import HONGCAO, certificate, enterprise

CERTIFICATES = "/registry/v1/hnte-certificates"
SECRET = "whsec_" + "a2VjaHVhbmcta2VjaHVhbmcta2VjaHVhbmc="


class Receiver:
    """Takes webhooks; answers with what `answers` says, then 204."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class PostOffice:
    """An SMTP server's handler: keeps what it takes, refuses who is in `refused`."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refused: set[str] = set()
        self.busy = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.refused:
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.busy:
            self.busy -= 1
            return "451 come back later"
        made = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(made, EmailMessage)
        self.mails.append(made)
        return "250 taken"


class World:
    """The registry, its reminders, and both receivers."""

    def __init__(self, office: Office, receiver: Receiver, post: PostOffice, smtp_port: int) -> None:
        self.office, self.receiver, self.post = office, receiver, post
        self.records = office.clients["registry"].application.extensions["records"]
        self.now_s = 1_000_000.0
        self.settings = Settings(
            reminder_webhook_url=receiver.url, reminder_webhook_secret=SECRET, smtp_host="127.0.0.1", smtp_port=smtp_port, smtp_starttls=False,
            mail_from="kechuang@example.gov.cn",
        )
        self.reminders = self.fresh()
        self.reminders.planner.prepare()

    def fresh(self, **changes: Any) -> Reminders:
        """As another process, or the same one started again."""
        made = Reminders(self.records, Settings(**(vars(self.settings) | changes)))
        made.deliveries.now_s = lambda: self.now_s
        return made

    def on(self, day: date) -> None:
        """Move the clock, and let the reminders do their work."""
        self.records.clock = FixedClock(datetime.combine(day, time(9), SHANGHAI))
        self.fresh().step()

    def firm(self, number: int, **more: Any) -> str:
        body = {"name": f"提醒企业{number}", "contact_email": f"office{number}@firm.example"} | more
        return str(self.office.make("/registry/v1/enterprises", enterprise(number, HONGCAO, **body))["id"])

    def certificate(self, number: int, firm: str, issued_on: str) -> str:
        return str(self.office.make(CERTIFICATES, certificate(f"GR202344{number:06d}", firm, issued_on))["id"])

    def listed(self, firm: str, by: str = "auditor", more: str = "") -> list[dict[str, Any]]:
        """The notifications of an enterprise, the oldest first."""
        answer = self.office.call("GET", f"/registry/v1/notifications?uscc={firm}&limit=500{more}", by=by)
        assert answer.status_code == 200, answer.text
        return list(reversed(answer.json["items"]))

    def mails_to(self, number: int) -> list[EmailMessage]:
        return [mail for mail in self.post.mails if mail["To"] == f"office{number}@firm.example"]


@pytest.fixture(scope="module")
def world(mongo_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    mongoengine.disconnect_all()
    receiver, post = Receiver(), PostOffice()
    port = free_port()
    smtp = Controller(post, hostname="127.0.0.1", port=port)
    smtp.start()
    yield World(Office(mongo_uri, Path(tmp_path_factory.mktemp("keys"))), receiver, post, port)
    smtp.stop()
    receiver.stop()
    mongoengine.disconnect_all()
