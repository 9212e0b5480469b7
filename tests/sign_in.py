"""Sessions for tests that are about something else: as if a security key had opened them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY

from approvals.access import access_sync_user, policy_in_force
from approvals.models import SecurityKey
from approvals.sessions import OPENED, SEEN

if TYPE_CHECKING:
    from approvals.models import User


def signed_in(user: User, client: Client | None = None) -> Client:
    """Return a client with a session of this person."""
    client = client or Client()
    name = f"test-{user.person_id}"
    key, _ = SecurityKey.objects.get_or_create(
        credential_id=name, defaults={"user": user, "name": name, "public_key": "", "aaguid": "0" * 32}
    )
    access_sync_user(user=user, policy=policy_in_force())
    client.force_login(user)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = key.persistent_id
    session[OPENED] = session[SEEN] = int(time.time())
    session.save()
    return client
