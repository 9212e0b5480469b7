"""Sessions for tests that are about something else: as if a security key had opened them."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY

from approvals.access import access_sync_user, policy_in_force
from approvals.models import PersonSession, SecurityKey
from approvals.sessions import OPENED, PROVED, SEEN
from audit.context import session_name
from demo.softkey import b64url

if TYPE_CHECKING:
    from approvals.models import User


def signed_in(user: User, client: Client | None = None) -> Client:
    """Return a client with a session of this person. Others that they have go on, unlike at a real sign-in."""
    client = client or Client()
    name = f"test-{user.person_id}"
    key, _ = SecurityKey.objects.get_or_create(
        credential_id=b64url(name.encode()),
        defaults={"user": user, "name": name, "public_key": "", "aaguid": "0" * 32},
    )
    access_sync_user(user=user, policy=policy_in_force())
    client.force_login(user)
    session = client.session
    now = int(time.time())
    session[DEVICE_ID_SESSION_KEY] = key.persistent_id
    session[OPENED] = session[SEEN] = session[PROVED] = now
    session.save()
    at = dt.datetime.fromtimestamp(now, tz=dt.UTC)
    record = {"name": session_name(str(session.session_key)), "address": "test", "opened_at": at, "seen_at": at}
    PersonSession.objects.get_or_create(
        session_key=session.session_key, defaults={"user": user, "key": key, **record}
    )
    return client
