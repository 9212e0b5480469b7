"""What custody does not ask signers for, because of where a wallet's key stands.

This is the web tier's own brake: it keeps honest people from using a key, and nobody who holds the web tier. What
stops a signer is a halt, or a policy that does not name the wallet.
"""

from __future__ import annotations

import datetime as dt

from core.calldata import movements_of
from core.documents.mandate import Intent
from core.key_lifecycle import KeyState
from custody.machine import Step
from custody.models import Job, Wallet
from custody.models_keys import WalletKey

_ASKING = frozenset({Step.PIN, Step.SIGN})
_ENDED = dt.timedelta(hours=1)
"""So long after its end a case is let through: its signer refuses it for its age, and with that it ends."""
_TAKES = (KeyState.GENERATED.value, KeyState.ACTIVE.value)


def is_emptying(intent: Intent) -> bool:
    """Whether a transaction does nothing but move one asset into another wallet of ours whose key is in use."""
    movements = movements_of(intent)
    if movements is None or len(movements) != 1 or movements != intent.movements:
        return False
    into = f"{intent.chain}:{movements[0].destination}"
    return into != intent.wallet and Wallet.objects.filter(pk=into, key__state__in=_TAKES).exists()


def case_problem(*, key: WalletKey | None, intent: Intent) -> str:
    """Say why a new case is never taken over for a wallet; empty if it is, now or once the key is resumed.

    Args:
        key: The wallet's key, or None where it has none here.
        intent: The transaction.
    """
    if key is None:
        return "nothing is known here of this wallet's key"
    state = KeyState(key.state)
    if state is KeyState.DESTROYED:
        return "the key of this wallet is destroyed"
    if state is KeyState.RETIRED and not is_emptying(intent):
        return (
            "the key of this wallet is retired: it signs only plain transfers into another wallet of ours,"
            " which empty it"
        )
    return ""


def suspension(*, key: WalletKey | None) -> str:
    """Say why nothing new is asked of a wallet's key for the time being; empty if that is not so."""
    if key is None or key.state != KeyState.SUSPENDED:
        return ""
    return f"the key of this wallet is suspended: {key.why}"


def key_brake(*, job: Job, step: Step, now: dt.datetime) -> str:
    """Say why custody does not ask for a job's signature now; empty if it may.

    A suspended key signs nothing but cancels that people ordered: they pay nobody. A case that a signer may have
    journalled already keeps its nonce and waits.

    Args:
        job: The job.
        step: Its next step.
        now: The current time.
    """
    if step not in _ASKING:
        return ""
    key = WalletKey.objects.filter(pk=job.wallet_id).first()
    if key is None:
        return "nothing is known here of this wallet's key"
    state = KeyState(key.state)
    if state is KeyState.SUSPENDED:
        return suspension(key=key)
    if state in (KeyState.RETIRED, KeyState.DESTROYED) and step is Step.PIN:
        intent = Intent.from_bytes(job.intent.encode())
        over = now >= dt.datetime.fromtimestamp(intent.header.expires, tz=dt.UTC) + _ENDED
        if not over and (state is KeyState.DESTROYED or not is_emptying(intent)):
            return f"the key of this wallet is {state}, and this case does not empty it"
    return ""


def may_raise(*, job: Job) -> bool:
    """Whether custody may ask for an attempt with higher fees: not of a key that is suspended, or unknown."""
    return WalletKey.objects.filter(pk=job.wallet_id).exclude(state=KeyState.SUSPENDED).exists()
