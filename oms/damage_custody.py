"""Custody's rows that somebody edited into what no program of ours writes: wallets, keys, and ceremonies."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
from functools import partial
from typing import TYPE_CHECKING

from django.db import DataError, OperationalError

from core.canonical import parse
from core.ceremony_lifecycle import CeremonyState
from core.documents.consent import SIGNED_CONSENTS
from core.errors import CoreError
from core.key_lifecycle import KeyState
from custody.ceremony_selectors import ceremony_document
from custody.models import CeremonyProgress, KeyCeremony, ProgressState, Wallet, WalletKey
from custody.models_parties import signers_problem
from policies.errors import PolicyAppError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STUMBLES = (
    CoreError,
    PolicyAppError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    decimal.DecimalException,
    DataError,
    OperationalError,
)
"""What reading a row that was edited can raise. By itself none of them says so: the row is then looked at."""
LOOKED_AT = 2_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Damaged:
    """A row that cannot be read. `key`: what names it for people; `request_id`: the request's, if it is one."""

    what: str
    key: str
    why: str
    request_id: int | None = None


def stumbling(read: Callable[[], object]) -> str:
    """Return what reading something raises, as words; empty if nothing. A database that is away is not damage."""
    try:
        read()
    except OperationalError as error:
        # SQLite's driver, over bytes that are no text.
        if "decode" not in str(error).lower():
            raise
        return "it holds bytes that are no text"
    except STUMBLES as error:
        return "".join(c if c.isprintable() else " " for c in f"{type(error).__name__}: {error}")[:200]
    return ""


def custody_damaged() -> list[Damaged]:
    """Look at every wallet and key, and at the newest ceremonies."""
    return [*_wallets(), *_ceremonies()]


def _found(what: str, key: object, read: Callable[[], object]) -> Iterable[Damaged]:
    why = stumbling(read)
    if why:
        name = "".join(c if c.isprintable() else " " for c in str(key))[:80]
        yield Damaged(what=what, key=name, why=why)


def _wallets() -> Iterable[Damaged]:
    for pk in Wallet.objects.values_list("pk", flat=True):
        yield from _found("wallet", pk, partial(_wallet_read, pk))
    for pk in WalletKey.objects.values_list("pk", flat=True):
        yield from _found("key", pk, partial(_key_read, pk))


def _wallet_read(pk: str) -> None:
    wallet = Wallet.objects.get(pk=pk)
    problem = signers_problem(signers=wallet.signers, threshold=wallet.threshold, shared=wallet.is_shared)
    if problem:
        raise ValueError(problem)
    _ = wallet.roster


def _key_read(pk: str) -> None:
    key = WalletKey.objects.get(pk=pk)
    KeyState(key.state)
    dt.datetime.fromtimestamp(key.period_ends or 0, tz=dt.UTC)


def _ceremonies() -> Iterable[Damaged]:
    for row in KeyCeremony.objects.order_by("-pk")[:LOOKED_AT]:
        name = row.digest if isinstance(row.digest, str) and row.digest.isalnum() else f"row {row.pk}"
        yield from _found("ceremony", name[:16], partial(_ceremony_read, row))
    odd = CeremonyProgress.objects.exclude(state__in=ProgressState.values).select_related("ceremony")
    for step in odd[:LOOKED_AT]:
        why = "a signer's step is in a state that no step can be in"
        yield Damaged(what="ceremony", key=step.ceremony.digest[:16], why=why)


def _ceremony_read(row: KeyCeremony) -> None:
    ceremony_document(ceremony=row)
    CeremonyState(row.state)
    if row.consents:
        SIGNED_CONSENTS.read(parse(row.consents.encode()), "consents")
