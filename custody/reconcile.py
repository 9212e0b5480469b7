"""Every block, each wallet against our own ledger: what left it without us is an alarm within one block.

Nodes have to agree on what they say of a block. If the newest block that was looked at leaves the chain, everything
after the last settled one is looked at again; a finding is told once for each block.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from django.db import transaction

from audit.alarms import alarm_clear, alarm_raise
from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from chains.errors import ChainsError
from chains.reads import node_read_agreed
from chains.selectors import asset_list
from core.documents.mandate import Intent
from core.names import NATIVE_SUFFIX, native_asset
from custody.ledger import Holding, OwnTransaction, outflows_judge
from custody.ledger_reads import Reading, reading_of
from custody.machine import Kind
from custody.models import BalancePoint, LedgerCursor, StrangeOutflow, Transmission
from custody.selectors import rule_of, wallet_list
from custody.settings import poll_interval
from custody.transitions import ACTOR, ERROR_MOST

if TYPE_CHECKING:
    from chains.nodes.agreement import Agreed
    from custody.ledger import Strange
    from custody.models import Wallet

BLOCKS_MOST = 32
"""Blocks of one wallet in one pass, one by one; a wallet that is further behind is read in one stride first."""
POINT_EVERY = dt.timedelta(hours=1)
_logger = logging.getLogger(__name__)


def reconcile_sweep(*, now: dt.datetime) -> int:
    """Look at every wallet's new blocks; called by the workers' sweep. Returns how many blocks were looked at."""
    done = 0
    for wallet in wallet_list():
        if LedgerCursor.objects.filter(wallet=wallet, looked_at__gt=now - poll_interval()).exists():
            continue
        try:
            done += wallet_reconcile(wallet=wallet, now=now)
        except ChainsError as error:
            LedgerCursor.objects.filter(wallet=wallet).update(problem=str(error)[:ERROR_MOST], looked_at=now)
        except Exception:  # one wallet's trouble does not keep the others waiting
            _logger.exception("wallet %s could not be reconciled", wallet.caip10)
    return done


def wallet_reconcile(*, wallet: Wallet, now: dt.datetime) -> int:
    """Look at a wallet's new blocks, asking nodes: not inside a database transaction.

    Args:
        wallet: The wallet.
        now: The current time.

    Returns:
        How many blocks were looked at.

    Raises:
        ChainsError: If nodes do not agree, or none answers.
    """
    cursor = _canonical(wallet, LedgerCursor.objects.filter(wallet=wallet).first())
    head = _read(wallet, cursor, None)
    if cursor is None:
        _begin(wallet, head, now)
        return 1
    if head.number <= cursor.block_number:
        LedgerCursor.objects.filter(pk=cursor.pk).update(looked_at=now, problem="")
        return 0
    first = max(cursor.block_number + 1, head.number - BLOCKS_MOST + 1)
    for number in range(first, head.number + 1):
        seen = head if number == head.number and first == number else _read(wallet, cursor, number)
        cursor = _advance(wallet, cursor, seen, now)
    _settle(wallet, cursor)
    return head.number - first + 1


def _settle(wallet: Wallet, cursor: LedgerCursor) -> None:
    """Move the block to which a reorganisation goes back, now and then: as deep as what counts as final."""
    depth = wallet.chain.confirmation_depth
    if cursor.block_number - cursor.final_number < 2 * depth:
        return
    address = wallet.address
    settled = node_read_agreed(
        chain=wallet.chain_id,
        question=lambda node, block: node.nonce(address, at=block.number),
        what="a wallet's nonce at a settled block",
        number=cursor.block_number - depth,
    )
    LedgerCursor.objects.filter(pk=cursor.pk).update(
        final_number=settled.number, final_hash=settled.block_hash.hex(), final_nonce=settled.value
    )


def _block_hash(wallet: Wallet, number: int) -> str:
    agreed = node_read_agreed(
        chain=wallet.chain_id, question=lambda _, block: block.parent_hash, what="a block's place", number=number
    )
    return agreed.block_hash.hex()


def _canonical(wallet: Wallet, cursor: LedgerCursor | None) -> LedgerCursor | None:
    """Return the cursor where its block is still the chain's; else go back to the settled one."""
    if cursor is None or _block_hash(wallet, cursor.block_number) == cursor.block_hash:
        return cursor
    with transaction.atomic():
        BalancePoint.objects.filter(wallet=wallet, block_number__gt=cursor.final_number).delete()
        cursor.block_number, cursor.block_hash = cursor.final_number, cursor.final_hash
        cursor.nonce = cursor.final_nonce
        cursor.save()
    if _block_hash(wallet, cursor.block_number) != cursor.block_hash:
        # Deeper than anything that counts as settled: begin anew from what the chain is now.
        with transaction.atomic():
            BalancePoint.objects.filter(wallet=wallet).delete()
            cursor.delete()
        return None
    return cursor


def _read(wallet: Wallet, cursor: LedgerCursor | None, number: int | None) -> Agreed[Reading]:
    """Have the wallet read at a block by nodes that agree; None: the newest one."""
    address, known = wallet.address, [asset.caip19 for asset in asset_list(chain=wallet.chain_id)]
    assets = sorted({native_asset(wallet.chain_id), *known})
    since = 0 if cursor is None else cursor.block_number + 1
    nonce = 0 if cursor is None else cursor.nonce
    ours = Transmission.objects.filter(job__wallet=wallet, nonce__gte=nonce)
    hashes = [] if cursor is None else list(ours.values_list("transaction_hash", flat=True))
    return node_read_agreed(
        chain=wallet.chain_id,
        question=lambda node, block: reading_of(
            node,
            block,
            address=address,
            assets=assets,
            hashes=hashes,
            since=block.number if cursor is None else since,
        ),
        what="a wallet's balances and outgoing transactions",
        number=number,
    )


def _spent(wallet: Wallet, reading: Reading) -> list[OwnTransaction]:
    """Say what our mined transactions spent at most."""
    sent = {
        one.transaction_hash: one
        for one in Transmission.objects.select_related("job").filter(
            transaction_hash__in=[mined.transaction_hash for mined in reading.mined]
        )
    }
    coin = native_asset(wallet.chain_id)
    own = []
    for mined in reading.mined:
        transmission = sent[mined.transaction_hash]
        spent = {coin: mined.gas_used * mined.gas_price}
        if mined.succeeded and transmission.kind == Kind.PAYMENT:
            intent = Intent.from_bytes(transmission.job.intent.encode())
            spent[coin] += intent.value
            for move in intent.movements:
                if not move.asset.endswith(NATIVE_SUFFIX):
                    spent[move.asset] = spent.get(move.asset, 0) + move.most
        own.append(OwnTransaction(transaction_hash=mined.transaction_hash, nonce=transmission.nonce, spent=spent))
    return own


def _before(wallet: Wallet, cursor: LedgerCursor) -> Holding:
    points = BalancePoint.objects.filter(wallet=wallet)
    assets = set(points.order_by().values_list("asset", flat=True).distinct())
    latest = {
        asset: points.filter(asset=asset).order_by("-pk").values_list("amount", flat=True).first() for asset in assets
    }
    return Holding(nonce=cursor.nonce, amounts=latest)


def _begin(wallet: Wallet, seen: Agreed[Reading], now: dt.datetime) -> None:
    with transaction.atomic():
        LedgerCursor.objects.create(
            wallet=wallet,
            gas_low=_gas(wallet, seen.value),
            block_number=seen.number,
            block_hash=seen.block_hash.hex(),
            nonce=seen.value.nonce,
            final_number=seen.number,
            final_hash=seen.block_hash.hex(),
            final_nonce=seen.value.nonce,
            looked_at=now,
        )
        _points(wallet, seen)


def _advance(wallet: Wallet, cursor: LedgerCursor, seen: Agreed[Reading], now: dt.datetime) -> LedgerCursor:
    """Take one block (or one stride) into the books: findings, balances, gas and how far we are."""
    after = Holding(nonce=seen.value.nonce, amounts=dict(seen.value.amounts))
    with transaction.atomic():
        cursor = LedgerCursor.objects.select_for_update().get(pk=cursor.pk)
        if cursor.block_number >= seen.number:
            return cursor
        found = outflows_judge(
            before=_before(wallet, cursor), after=after, own=_spent(wallet, seen.value), moves=seen.value.moves
        )
        for one in found:
            _tell(wallet, one, seen, now)
        _points(wallet, seen)
        cursor.gas_low = _gas(wallet, seen.value)
        cursor.block_number, cursor.block_hash = seen.number, seen.block_hash.hex()
        cursor.nonce, cursor.looked_at, cursor.problem = seen.value.nonce, now, ""
        cursor.save()
    return cursor


def _tell(wallet: Wallet, one: Strange, seen: Agreed[Reading], now: dt.datetime) -> None:
    row, new = StrangeOutflow.objects.get_or_create(
        wallet=wallet,
        asset=one.asset,
        block_hash=seen.block_hash.hex(),
        transaction_hash=one.transaction_hash,
        defaults={
            "amount": one.amount,
            "block_number": seen.number,
            "words": f"By block {seen.number}, {one.words}"[:ERROR_MOST],
            "found_at": now,
        },
    )
    if not new:
        return
    payload: dict[str, object] = {
        "amount": str(one.amount),
        "asset": one.asset,
        "block": seen.number,
        "block_hash": row.block_hash,
        "message": row.words,
        "transaction": one.transaction_hash,
    }
    entry_append(
        actor=ACTOR,
        tag=AuditTag.OUTFLOW_STRANGE,
        subject=wallet.caip10,
        payload=payload,
        severity=Severity.CRITICAL,
    )


def _points(wallet: Wallet, seen: Agreed[Reading]) -> None:
    at = dt.datetime.fromtimestamp(seen.value.timestamp, tz=dt.UTC)
    for asset, amount in seen.value.amounts:
        if amount is None:
            continue
        last = BalancePoint.objects.filter(wallet=wallet, asset=asset).order_by("-pk").first()
        if last is not None and last.amount == amount and at - last.block_time < POINT_EVERY:
            continue
        BalancePoint.objects.get_or_create(
            wallet=wallet,
            asset=asset,
            block_number=seen.number,
            defaults={"block_hash": seen.block_hash.hex(), "block_time": at, "amount": amount},
        )


def _gas(wallet: Wallet, reading: Reading) -> bool:
    """Warn while the wallet's coin does not last for gas; return whether it is too low."""
    held = dict(reading.amounts).get(native_asset(wallet.chain_id)) or 0
    least: int = rule_of(chain=wallet.chain_id).gas_low
    low = held < least
    if low:
        alarm_raise(
            tag=AuditTag.GAS_LOW,
            severity=Severity.WARNING,
            subject=wallet.caip10,
            message=f"{wallet.label} holds {held} base units of its coin; below {least} it may not pay for gas",
            actor=ACTOR,
        )
    else:
        alarm_clear(tag=AuditTag.GAS_LOW, subject=wallet.caip10, actor=ACTOR)
    return low
