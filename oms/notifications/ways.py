"""The ways to tell somebody: one function for each, which returns when it was told and raises when it was not."""

from __future__ import annotations

import json
import smtplib
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.mail import EmailMessage

from oms.notifications.errors import NotToldError
from oms.notifications.webhook import webhook_send

if TYPE_CHECKING:
    import datetime as dt

    from oms.models import Notice, NoticeChoice

_FOOT = "Open Countersign yourself, as you always do: this message holds no link, and none that does is from us."


def email_send(notice: Notice, choice: NoticeChoice) -> None:
    """Send one notice by e-mail.

    Raises:
        NotToldError: If the mail server did not take it.
    """
    if not choice.email:
        raise NotToldError("No e-mail address is chosen any more.")
    message = EmailMessage(
        subject=f"Countersign: {notice.title}",
        body=f"{notice.text}\n\n{_FOOT}\n",
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[choice.email],
        headers={"Auto-Submitted": "auto-generated"},
    )
    try:
        message.send()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise NotToldError(f"The mail server did not take it: {type(error).__name__}.") from error


def webhook_body(notice: Notice) -> bytes:
    """Return what a webhook is sent: what happened, and nothing that opens anything."""
    said = {
        "v": 1,
        "id": str(notice.pk),
        "kind": notice.kind,
        "title": notice.title,
        "text": notice.text,
        "at": f"{notice.made_at:%Y-%m-%dT%H:%M:%SZ}",
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


def notice_send(notice: Notice, choice: NoticeChoice, *, now: dt.datetime) -> None:
    """Tell somebody by the notice's way.

    Args:
        notice: What to tell.
        choice: How the person wants to be told now.
        now: The current time.

    Raises:
        NotToldError: If it was not taken; try again.
        WebhookRefusedError: If nothing may be sent there.
    """
    if notice.way == "email":
        email_send(notice, choice)
        return
    if not choice.webhook or not choice.webhook_key:
        raise NotToldError("No webhook is chosen any more.")
    webhook_send(
        url=choice.webhook,
        body=webhook_body(notice),
        key=choice.webhook_key,
        at=int(now.timestamp()),
        demo=settings.COUNTERSIGN_DEMO,
    )
