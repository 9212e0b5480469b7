"""Certificates, kept before a session begins, and handed to parties that missed the reservation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.canonical import canonical, parse
from core.documents.party import Certificate
from core.schema import read_struct
from custody.models import PartyCertificate

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from core.canonical import Json
    from custody.nonces import LaneStatus

BATCH_MOST = 128
"""Certificates that are handed over at once."""
BATCH_BYTES = 700_000
"""Less than a signer reads, with room for the frame."""
LOOK_BACK = 256
"""How many of a lane's latest nonces a status names."""


def certificate_keep(*, certificate: Json, now: dt.datetime) -> None:
    """Write a certificate down, once for each reservation.

    Raises:
        DocumentError: If it is none.
    """
    binding = read_struct(Certificate, certificate, "certificate").reservations[0].document.binding
    PartyCertificate.objects.get_or_create(
        wallet_id=binding.wallet,
        signing_hash=binding.signing_hash.hex(),
        defaults={
            "nonce": binding.nonce,
            "intent": binding.intent,
            "cancels": binding.cancel is not None,
            "certificate": canonical(certificate).decode(),
            "made_at": now,
        },
    )


def certificates_missing(*, lanes: Mapping[str, LaneStatus]) -> list[Json]:
    """Return the first certificates that a party has to be told of, in the order of their nonces.

    Not in that in which they were kept: what parties gave back after a database was lost is kept later.

    Args:
        lanes: How far its own memory reaches, by wallet, as it says itself.
    """
    missing: list[PartyCertificate] = []
    for wallet, lane in lanes.items():
        rows = PartyCertificate.objects.filter(wallet_id=wallet)
        if lane.cancels >= rows.filter(cancels=True).values("nonce").distinct().count():
            rows = rows.filter(cancels=False)
        else:
            missing += rows.filter(cancels=True, nonce__lt=lane.next_nonce)
        kept = rows.filter(nonce__gte=lane.next_nonce - LOOK_BACK).defer("certificate")
        kept = kept.order_by("nonce", "pk")
        wanted = [row.pk for row in kept if row.nonce >= lane.next_nonce or _is_other(row, lane)]
        missing += rows.filter(pk__in=wanted[:BATCH_MOST])
    return _batch(
        sorted({row.pk: row for row in missing}.values(), key=lambda row: (row.wallet_id, row.nonce, row.pk))
    )


def _is_other(row: PartyCertificate, lane: LaneStatus) -> bool:
    """Whether the party holds something else at the nonce: it takes over what was certified."""
    return lane.held.get(row.nonce, row.intent) != row.intent


def _batch(rows: list[PartyCertificate]) -> list[Json]:
    batch: list[Json] = []
    size = 0
    for row in rows[:BATCH_MOST]:
        size += len(row.certificate)
        if batch and size > BATCH_BYTES:
            break
        batch.append(parse(row.certificate.encode()))  # type: ignore[arg-type]  # canonical JSON of an object
    return batch
