"""How a reminder leaves: a signed webhook (Standard Webhooks), and a mail to the enterprise's own address.

A reminder is sent until it is taken, under one id (`webhook-id`, `Message-ID`): when a process dies between the send and
the note of it, the same message goes out again and can be told as the same.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import smtplib
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from email.message import EmailMessage
from email.utils import formatdate
from typing import Protocol

import httpx

from shared.errors import ConfigError
from shared.mongo import Document

TIMEOUT_S = 10.0
WHSEC = "whsec_"
REFUSED = range(500, 600)  # SMTP: it will never be taken
TITLES = {"hnte-certificates": "高新技术企业证书", "tech-sme-entries": "科技型中小企业入库登记"}


class NotTaken(Exception):
    """The other side did not take a message. `for_good`: nor will it ever."""

    def __init__(self, reason: str, *, for_good: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.for_good = reason, for_good


class Channel(Protocol):
    """One way out."""

    name: str

    def send(self, notice: Document, address: str | None) -> None:
        """Send; returns when the other side has taken it. Raises NotTaken."""


def last_day(notice: Document) -> str:
    """The last day on which the qualification counts."""
    return (date.fromisoformat(notice["ends_on"]) - timedelta(days=1)).isoformat()


def content(notice: Document) -> Document:
    """What every reader is told of a reminder: no person, the same at each try."""
    names = ("kind", "record_id", "uscc", "enterprise_name", "town_code", "ends_on", "lead", "due_on")
    return {"id": notice["_id"], **{name: notice.get(name) for name in names}, "last_day": last_day(notice)}


@dataclass
class Webhook:
    """POSTs to one address of the district's, signed with a shared secret."""

    url: str
    secret: str
    name: str = "webhook"

    def __post_init__(self) -> None:
        try:
            self._key = base64.b64decode(self.secret.removeprefix(WHSEC), validate=True)
        except ValueError:
            self._key = b""
        if not self.secret.startswith(WHSEC) or len(self._key) < 24:
            raise ConfigError("REMINDER_WEBHOOK_SECRET must be whsec_ and 24 random bytes or more in base64")

    def send(self, notice: Document, address: str | None) -> None:
        """See Channel. A 2xx takes it; nothing is followed elsewhere."""
        told = {"type": "qualification.lapse", "timestamp": notice["created_at"], "data": content(notice)}
        body = json.dumps(told, ensure_ascii=False).encode()
        identifier, at = hashlib.sha256(notice["_id"].encode()).hexdigest()[:32], str(int(time.time()))
        signed = hmac.new(self._key, f"{identifier}.{at}.".encode() + body, hashlib.sha256).digest()
        headers = {
            "Content-Type": "application/json", "webhook-id": identifier, "webhook-timestamp": at,
            "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
        }
        try:
            answer = httpx.post(self.url, content=body, headers=headers, timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)
        except (httpx.HTTPError, httpx.InvalidURL) as away:
            raise NotTaken(type(away).__name__) from None
        if not answer.is_success:
            raise NotTaken(f"HTTP {answer.status_code}")


@dataclass
class Mail:
    """Sends to the enterprise's own address over one SMTP server."""

    host: str
    port: int
    sender: str
    starttls: bool = True
    user: str = ""
    password: str = ""
    name: str = "email"

    def send(self, notice: Document, address: str | None) -> None:
        """See Channel."""
        if address is None:
            raise NotTaken("the enterprise has given no address", for_good=True)
        try:
            with smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_S) as server:
                if self.starttls:
                    server.starttls(context=ssl.create_default_context())
                if self.user:
                    server.login(self.user, self.password)
                self._hand_over(server, letter(notice, self.sender, address))
        except smtplib.SMTPResponseException as refused:
            raise NotTaken(f"SMTP {refused.smtp_code}") from None
        except (OSError, smtplib.SMTPException) as away:
            raise NotTaken(type(away).__name__) from None

    def _hand_over(self, server: smtplib.SMTP, message: EmailMessage) -> None:
        """A refusal says a code and never the address, which is personal."""
        try:
            server.send_message(message)
        except smtplib.SMTPRecipientsRefused as refused:
            code = next(iter(refused.recipients.values()))[0]
            raise NotTaken(f"SMTP {code}", for_good=code in REFUSED) from None
        with suppress(smtplib.SMTPException, OSError):  # it is taken: how they part does not matter
            server.quit()


def letter(notice: Document, sender: str, address: str) -> EmailMessage:
    """The reminder as a mail."""
    title = TITLES.get(notice["kind"], notice["kind"])
    firm = notice.get("enterprise_name") or notice["uscc"]
    message = EmailMessage()
    message["From"], message["To"] = sender, address
    message["Subject"] = f"【到期提醒】{title} {notice['record_id']} 有效期至 {last_day(notice)}"
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = f"<{hashlib.sha256(notice['_id'].encode()).hexdigest()[:32]}@{sender.rpartition('@')[2].rstrip('>')}>"
    message.set_content(
        f"{firm}:\n\n贵单位的{title}({notice['record_id']})有效期至{last_day(notice)}(含当日),自{notice['ends_on']}零时起失效。"
        f"如需继续享受相关政策,请及时办理续期。\n\n"
        f"The qualification {notice['record_id']} is valid through {last_day(notice)} and lapses at 00:00 on {notice['ends_on']} (Asia/Shanghai).\n"
    )
    return message
