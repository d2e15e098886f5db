"""The loop that reminds, beside the imports in the registry's worker; any number of workers may run it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import structlog
from pymongo.errors import PyMongoError

from services.registry.reminders.channels import Channel, Mail, Webhook
from services.registry.reminders.delivery import Deliveries
from services.registry.reminders.leads import DEFAULT, read_leads
from services.registry.reminders.plan import LAST, RUNS, Planner
from shared.clock import today
from shared.errors import ConfigError, KechuangError
from shared.mongo import is_away
from shared.records.write import Records

PLAN_S = 10.0  # how late a certificate that was recorded today may be reminded of; a new day is noticed at once
TURN_S = 1.0
AWAY_S = 5.0
SILENT_S = 10 * 60.0  # then somebody should look why
logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Settings:
    """What reminders read from the worker's environment; a channel without its address is not there."""

    reminders: str = DEFAULT
    reminder_webhook_url: str = ""
    reminder_webhook_secret: str = ""
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_starttls: bool = True
    smtp_user: str = ""
    smtp_password: str = ""
    mail_from: str = ""


def channels_of(settings: Settings) -> list[Channel]:
    """The channels that are configured. Raises ConfigError for one that is only half so."""
    found: list[Channel] = []
    if settings.reminder_webhook_url:
        found.append(Webhook(settings.reminder_webhook_url, settings.reminder_webhook_secret))
    if settings.smtp_host:
        if "@" not in settings.mail_from:
            raise ConfigError("MAIL_FROM must be the address that mails come from")
        found.append(Mail(settings.smtp_host, settings.smtp_port, settings.mail_from, settings.smtp_starttls, settings.smtp_user,
                          settings.smtp_password))
    return found


class Reminders:
    """Plans and delivers."""

    def __init__(self, records: Records, settings: Settings) -> None:
        channels = channels_of(settings)
        self.records = records
        self.planner = Planner(records, read_leads(settings.reminders), [channel.name for channel in channels])
        self.deliveries = Deliveries(records, channels)
        self._planned: tuple[date, float] | None = None

    def step(self) -> None:
        """Write what is due when a day has begun or some time has passed, and send all that waits."""
        day, now_s = today(self.records.clock), time.monotonic()
        if self._planned is None or self._planned[0] != day or now_s - self._planned[1] >= PLAN_S:
            self.planner.run()
            self._planned = day, now_s
        while self.deliveries.step():
            pass

    def run(self, stop: threading.Event) -> None:
        """Remind until told to stop; wait out a store that is away."""
        prepared = False
        while not stop.is_set():
            try:
                if not prepared:
                    self.planner.prepare()
                    prepared = True
                self.step()
                stop.wait(TURN_S)
            except (KechuangError, PyMongoError) as away:
                waited_for = is_away(away) or getattr(away, "retriable", False)
                if not waited_for:
                    raise
                logger.warning("reminders wait for the store", reason=type(away).__name__)
                stop.wait(AWAY_S)


def alarms_of(records: Records) -> Callable[[], list[str]]:
    """What operators must know: that reminders stand still, or count on a calendar that nobody has entered."""

    def alarms() -> list[str]:
        last = records.database[RUNS].find_one({"_id": LAST})
        if last is None:
            return []
        silent_s = time.time() - last["at_s"]
        silent = [f"reminders have not run for {silent_s:.0f} s"] if silent_s > SILENT_S else []
        return [*silent, *last["calendar_missing"]]

    return alarms
