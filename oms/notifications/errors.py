"""Errors of this package."""

from __future__ import annotations

from oms.errors import OmsError


class NotToldError(OmsError):
    """Somebody could not be told; it is tried again. The message holds no address and no key."""


class WebhookRefusedError(OmsError):
    """This server does not send anything there; the message says why."""
