"""Certificates, kept before a session begins, and handed to parties that missed the reservation."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, cast

from core.canonical import canonical, parse
from core.documents.party import Certificate
from core.schema import read_struct
from custody.damaged_rows import UNREADABLE, row_damaged
from custody.models import PartyCertificate

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from django.db.models import QuerySet

    from core.canonical import Json
    from custody.nonces import LaneStatus

BATCH_MOST = 128
"""Certificates that are handed over at once."""
CANCELS_MOST = 16
"""Cancels of earlier nonces that are handed over at once for each reason: payments after them have their room."""
BATCH_BYTES = 700_000
"""Less than a signer reads, with room for the frame."""
LOOK_BACK = 256
"""How many of a lane's latest nonces a status names."""
_chance = secrets.SystemRandom()


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
    wanted: dict[int, PartyCertificate] = {}
    for wallet, lane in lanes.items():
        wanted |= {row.pk: row for row in _wanted(wallet, lane)}
    return _batch(sorted(wanted.values(), key=lambda row: (row.wallet_id, row.nonce, row.pk)))


def _wanted(wallet: str, lane: LaneStatus) -> list[PartyCertificate]:
    """Return what a party lacks of one wallet, without its text: no more than it is handed, whatever it says."""
    rows = PartyCertificate.objects.filter(wallet_id=wallet).order_by("nonce", "pk").defer("certificate")
    cancels = rows.filter(cancels=True)
    lacking = cancels.order_by().values("nonce").distinct().count() - lane.cancels
    if lacking <= 0:
        rows = rows.filter(cancels=False)
    near = rows.filter(nonce__gte=lane.next_nonce - LOOK_BACK, nonce__lt=lane.next_nonce)
    others = [row for row in near if _is_other(row, lane)]
    older = _cancels(cancels.filter(nonce__lt=lane.next_nonce), lacking)
    return [*others[:BATCH_MOST], *older, *rows.filter(nonce__gte=lane.next_nonce)[:BATCH_MOST]]


def _cancels(rows: QuerySet[PartyCertificate], lacking: int) -> list[PartyCertificate]:
    """Return some cancels of earlier nonces: a party says how many it lacks, and not which.

    Most likely it was away for the last ones; if it has those, some of the others by chance, until it has them all.
    """
    if lacking <= 0:
        return []
    named = list(rows.order_by("-nonce", "-pk").values_list("pk", flat=True))
    likely = named[max(0, lacking - CANCELS_MOST) :][:CANCELS_MOST]
    rest = sorted(set(named) - set(likely))
    chosen = {*likely, *_chance.sample(rest, min(len(rest), CANCELS_MOST))}
    return list(rows.filter(pk__in=chosen))


def _is_other(row: PartyCertificate, lane: LaneStatus) -> bool:
    """Whether the party holds something else at the nonce: it takes over what was certified."""
    return lane.held.get(row.nonce, row.intent) != row.intent


def _batch(rows: list[PartyCertificate]) -> list[Json]:
    kept = PartyCertificate.objects.in_bulk([row.pk for row in rows[:BATCH_MOST]])
    batch: list[Json] = []
    size = 0
    for row in (kept[one.pk] for one in rows[:BATCH_MOST] if one.pk in kept):
        size += len(row.certificate)
        if batch and size > BATCH_BYTES:
            break
        certificate = _read(row)
        if certificate is not None:
            batch.append(certificate)
    return batch


def _read(row: PartyCertificate) -> Json | None:
    """Return a certificate, or None where its row was edited: a party that is handed it would take none after it."""
    try:
        value = parse(row.certificate.encode())
        binding = read_struct(Certificate, value, "certificate").reservations[0].document.binding
    except UNREADABLE as error:
        row_damaged(what="certificate", key=f"{row.wallet_id} #{row.nonce}", error=error)
        return None
    said = (binding.wallet, binding.nonce, binding.intent, binding.signing_hash.hex(), binding.cancel is not None)
    if said != (row.wallet_id, row.nonce, row.intent, row.signing_hash, row.cancels):
        odd = ValueError("its columns and its text contradict each other")
        row_damaged(what="certificate", key=f"{row.wallet_id} #{row.nonce}", error=odd)
        return None
    return cast("Json", value)
