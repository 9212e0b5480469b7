"""The only writer of a key's state: row locked, table consulted, event and audit entry in the same transaction."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from audit.models import Severity
from audit.services import entry_append
from audit.tags import AuditTag
from core.custody_lifecycle import JOB_FINAL
from core.documents.mandate import Intent
from core.errors import DocumentError
from core.key_lifecycle import KeyEvent, KeyLifecycleError, KeyState, key_apply
from core.schema import Text
from custody.errors import KeyBusyError, KeyInputError
from custody.key_brake import is_emptying
from custody.models import Job
from custody.models_keys import EVIDENCE_MOST, WHY_MOST, WalletKey, WalletKeyEvent

if TYPE_CHECKING:
    import datetime as dt

_SEVERITIES: dict[KeyEvent, Severity] = {
    KeyEvent.SUSPEND: Severity.WARNING,
    KeyEvent.RESUME: Severity.WARNING,
    KeyEvent.RETIRE: Severity.WARNING,
    KeyEvent.COMPROMISE: Severity.CRITICAL,
    KeyEvent.DESTROY: Severity.WARNING,
}
_SILENT = frozenset({KeyEvent.ACTIVATE})
"""Goes without a reason: a policy that people signed is the reason."""
_SENTENCE = Text(most=WHY_MOST, least=0)
_PRINTED = frozenset("\n\r\t")


def key_lock(*, wallet: str) -> WalletKey:
    """Return a wallet's key, its row locked until the caller's transaction ends.

    Args:
        wallet: CAIP-10 account.

    Raises:
        KeyInputError: If there is no such key.
    """
    found = WalletKey.objects.select_for_update().filter(pk=wallet).first()
    if found is None:
        raise KeyInputError(f"wallet {wallet} has no key here")
    return found


def key_move(
    *, key: WalletKey, event: KeyEvent, actor: str, now: dt.datetime, why: str = "", evidence: str = ""
) -> KeyState:
    """Move a locked key along the table, inside the caller's transaction.

    Args:
        key: From `key_lock`.
        event: What happened.
        actor: Who says so: ``user:…`` or ``system:…``.
        now: The current time.
        why: For people and the log; needed for all but an activation.
        evidence: What a console printed; needed for a destruction, at most 16,000 characters.

    Raises:
        KeyLifecycleError: If the table has no such transition. Nothing is written.
        KeyBusyError: If cases are under way that the key would still have to sign.
        KeyInputError: If reason or evidence is missing or cannot be stored.
    """
    before = KeyState(key.state)
    after = key_apply(before, event)
    _check_words(event, why, evidence)
    _check_idle(key, event)
    key.state, key.why = after.value, why
    if event is KeyEvent.ACTIVATE:
        key.activated_at = now
    key.save(update_fields=["state", "why", "activated_at"])
    digest = hashlib.sha256(evidence.encode()).hexdigest() if evidence else ""
    WalletKeyEvent.objects.create(
        key=key,
        at=now,
        event=event.value,
        before=before.value,
        after=after.value,
        actor=actor,
        why=why,
        evidence=evidence,
        evidence_digest=digest,
    )
    entry_append(
        actor=actor,
        tag=AuditTag.KEY_MOVED,
        subject=key.pk,
        payload={"event": event.value, "evidence": digest, "from": before.value, "to": after.value, "why": why},
        severity=_SEVERITIES.get(event, Severity.INFO),
    )
    return after


def key_activate(*, key: WalletKey, actor: str, now: dt.datetime) -> bool:
    """Let a locked key's cryptoperiod begin if it was only generated so far; whether it did."""
    if key.state != KeyState.GENERATED:
        return False
    key_move(key=key, event=KeyEvent.ACTIVATE, actor=actor, now=now)
    return True


def _check_words(event: KeyEvent, why: str, evidence: str) -> None:
    try:
        _SENTENCE.read(why, "why")
    except DocumentError as error:
        raise KeyInputError(f"the reason takes up to {WHY_MOST} visible characters on one line") from error
    if event not in _SILENT and not why.strip():
        raise KeyInputError("say why: the log keeps it")
    if event is KeyEvent.DESTROY and not evidence.strip():
        raise KeyInputError(
            "attach what shows the destruction: what each console printed, or the transcript's digest"
        )
    hidden = any(not (one.isprintable() or one in _PRINTED) for one in evidence)
    if hidden or len(evidence) > EVIDENCE_MOST:
        raise KeyInputError(f"evidence is plain text of at most {EVIDENCE_MOST:,} characters")


def _check_idle(key: WalletKey, event: KeyEvent) -> None:
    """Refuse to retire or destroy a key that cases which people approved still wait for."""
    if event not in (KeyEvent.RETIRE, KeyEvent.DESTROY):
        return
    waiting = Job.objects.filter(wallet_id=key.pk).exclude(state__in=[state.value for state in JOB_FINAL])
    if event is KeyEvent.DESTROY:
        if waiting.exists():
            raise KeyBusyError("cases of this wallet are still under way: wait for them, or cancel them")
        return
    others = [text for text in waiting.values_list("intent", flat=True) if not is_emptying(_intent(text))]
    if others:
        raise KeyBusyError(
            f"{len(others)} case{'s' if len(others) > 1 else ''} of this wallet would not empty it and"
            " must end first: wait, or cancel"
        )


def _intent(text: str) -> Intent:
    return Intent.from_bytes(text.encode())


__all__ = ["KeyLifecycleError", "key_activate", "key_lock", "key_move"]
