"""Drafting ceremonies: what was chosen becomes a document that fits the policy, which people then sign.

A document that signers would refuse is refused here already, by the very rules that signers go by. What this tier
knows of earlier ceremonies may be wrong; then a signer says no, and it shows.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.canonical import parse
from core.ceremonies import check_draft, record_of
from core.ceremony_lifecycle import CEREMONY_GOING, CeremonyState
from core.documents.control import Ceremony, CeremonyKind, RecoveryKey
from core.documents.roster import SignerRole
from core.errors import CoreError, RefusedError
from core.founding import FoundingPlan, check_plan
from core.journal import Journal
from core.pins import Pins
from core.schema import Items, Struct, read_struct
from custody.ceremony_selectors import ceremony_document, epoch_now
from custody.ceremony_services import ceremony_consent, ceremony_draft
from custody.errors import CeremonyRefusedError
from custody.models import KeyCeremony
from oms.ceremony_kinds import KINDS, Choice, Epoch, wallets_for
from oms.errors import FormError
from oms.intents import header_new
from oms.selectors import person_of
from policies.selectors import policy_active, policy_chain

if TYPE_CHECKING:
    import datetime as dt

    from approvals.models import User
    from core.documents.policy import Policy
    from core.documents.roster import Wallet

PLAN_MOST = 64 * 1024
_HOUR = 3600
_RECOVERY_BYTES = 64 * 1024
_RECOVERY = Items(Struct(lambda: RecoveryKey), least=1, most=16)
_KNOWN = (CeremonyState.DONE, *sorted(CEREMONY_GOING))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was chosen and typed, each field already of its type.

    Attributes:
        kind: Which ceremony.
        wallet: CAIP-10 account; empty where there is none yet.
        signers: Roster ids; all of the wallet's where the kind takes all.
        epoch: Which epoch it names; 0 where none is.
        plan: For a new key: its plan, JSON, as it was pasted.
        recovery: JSON of the recovery keys, as it was pasted.
        reason: Why; people sign it.
        hours: How long it lasts.
    """

    kind: CeremonyKind
    wallet: str = ""
    signers: tuple[str, ...] = ()
    epoch: int = 0
    plan: str = ""
    recovery: str = ""
    reason: str = ""
    hours: int = 0


def epoch_default(*, kind: CeremonyKind, wallet: str) -> int:
    """Return the epoch that a ceremony would name, as far as ceremonies that were done here tell."""
    form = KINDS[kind]
    if form.epoch is Epoch.NONE:
        return 0
    going = KeyCeremony.objects.filter(
        wallet=wallet, kind=CeremonyKind.REFRESH.value, state__in=[state.value for state in _KNOWN]
    )
    highest = max(going.values_list("epoch", flat=True), default=0)
    return highest + 1 if form.epoch is Epoch.NEXT else epoch_now(wallet=wallet)


def _recovery(text: str, signers: tuple[str, ...]) -> tuple[RecoveryKey, ...]:
    """Read recovery keys: a JSON list, or one object on each line, as the consoles print them."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    whole = text.strip() if text.lstrip().startswith("[") else f"[{','.join(lines)}]"
    try:
        keys: tuple[RecoveryKey, ...] = _RECOVERY.read(parse(whole.encode(), max_bytes=_RECOVERY_BYTES), "keys")
    except (CoreError, UnicodeEncodeError) as error:
        message = f"One JSON object for each key, as its holder's console printed it: {str(error)[:160]}."
        raise FormError({"recovery": [message]}) from error
    place = {name: at for at, name in enumerate(signers)}
    strangers = [key.signer for key in keys if key.signer not in place]
    if strangers:
        raise FormError({"recovery": [f"{strangers[0]} is not among the chosen signers."]})
    return tuple(sorted(keys, key=lambda key: place[key.signer]))


def plan_read(text: str) -> FoundingPlan:
    """Read a key's plan.

    Raises:
        FormError: For `plan`, if it is none, or one that no party would follow.
    """
    try:
        plan = read_struct(FoundingPlan, parse(text.encode(), max_bytes=PLAN_MOST), "plan")
        check_plan(plan)
    except (CoreError, ValueError) as error:
        raise FormError({"plan": [f"This is no plan: {str(error)[:200]}."]}) from error
    return plan


def _wallet(wanted: Wanted, policy: Policy) -> Wallet | None:
    if KINDS[wanted.kind].choice is Choice.PLANNED:
        return None
    policies = [signed.policy for signed in policy_chain()] or [policy]
    fitting = wallets_for(kind=wanted.kind, policies=policies)
    found = next((one for one in fitting if one.id == wanted.wallet), None)
    if found is None:
        raise FormError({"wallet": ["The policy knows no such wallet."]})
    return found


def ceremony_build(*, wanted: Wanted, policy: Policy, now: int) -> Ceremony:
    """Make the document. `now` in Unix seconds.

    Raises:
        FormError: With the messages of each wrong field.
    """
    form, wallet = KINDS[wanted.kind], _wallet(wanted, policy)
    plan = plan_read(wanted.plan) if form.choice is Choice.PLANNED else None
    signers = wallet.signers if wallet is not None and form.choice is Choice.ALL else wanted.signers
    signers = signers if plan is None else tuple(party.id for party in plan.parties)
    if wallet is not None:
        signers = tuple(sorted(signers, key=lambda one: wallet.signers.index(one) if one in wallet.signers else -1))
    if not wanted.reason.strip():
        raise FormError({"reason": ["Say why: those who consent will read it and sign it."]})
    recovery = _recovery(wanted.recovery, signers) if form.keyed else ()
    document = _document(dataclasses.replace(wanted, signers=signers), wallet, policy, now)
    if plan is not None:
        document = dataclasses.replace(document, plan=plan.digest, threshold=plan.threshold)
    return dataclasses.replace(document, recovery=recovery)


def _document(wanted: Wanted, wallet: Wallet | None, policy: Policy, now: int) -> Ceremony:
    header = header_new(Ceremony.TYPE, policy.deployment, now=now)
    header = dataclasses.replace(header, expires=now + wanted.hours * _HOUR)
    fields: dict[str, object] = {
        "header": dataclasses.asdict(header),
        "policy": policy.digest,
        "kind": wanted.kind.value,
        "signers": list(wanted.signers),
        "wallet": None if wallet is None else wallet.id,
        "epoch": 0 if KINDS[wanted.kind].epoch is Epoch.NONE else wanted.epoch,
        "threshold": 0 if wallet is None else wallet.threshold,
        "lanes": [],
        "not_before": 0,
        "reason": wanted.reason.strip(),
        "plan": None,
        "recovery": [],
    }
    try:
        return Ceremony.from_json(fields)
    except (CoreError, ValueError) as error:
        raise FormError(_field_errors(str(error))) from error


def _field_errors(message: str) -> dict[str, list[str]]:
    """Put a schema's complaint to the field that it is about."""
    words = {
        "reason": "The reason takes 280 visible characters, in one line.",
        "epoch": "An epoch is a whole number from 0 to 1,000,000.",
        "signers": "Choose at least one signer.",
    }
    named = next((name for name in words if f".{name}" in message or message.startswith(name)), "")
    return {named: [words.get(named, f"This cannot be signed: {message[:200]}.")]}


def _known(now: int) -> Journal:
    """Return the ceremonies that this tier knows of, as a journal keeps them."""
    journal = Journal()
    for kept in KeyCeremony.objects.filter(state__in=[state.value for state in _KNOWN]).order_by("pk"):
        journal.ceremonies.learn(record_of(ceremony_document(ceremony=kept), (), now=now))
    return journal


def draft_check(*, document: Ceremony, policy: Policy, now: int) -> None:
    """Refuse a document that signers would refuse. `now` in Unix seconds.

    Raises:
        FormError: With the signers' own words.
    """
    known = {signed.policy.digest: signed.policy for signed in policy_chain()} | {policy.digest: policy}
    pins = Pins(deployment=policy.deployment, signer=document.signers[0], role=SignerRole.PARTY, policies=known)
    try:
        check_draft(document, pins, _known(now))
    except RefusedError as error:
        raise FormError({"": [f"Signers would refuse this: {error.message}."]}) from error


def ceremony_propose(*, user: User, wanted: Wanted, now: dt.datetime) -> KeyCeremony:
    """Draft a ceremony, so that people can consent to it.

    Args:
        user: Who drafts it; on the roster.
        wanted: What was chosen.
        now: The current time.

    Raises:
        FormError: With the messages of each wrong field.
    """
    policy, at = policy_active(), int(now.timestamp())
    if policy is None or person_of(user=user, policy=policy) is None:
        raise FormError({"": ["The policy in force does not name you."]})
    document = ceremony_build(wanted=wanted, policy=policy, now=at)
    draft_check(document=document, policy=policy, now=at)
    try:
        plan = plan_read(wanted.plan) if document.plan is not None else None
        return ceremony_draft(document=document, person=user.person_id, now=now, plan=plan)
    except CeremonyRefusedError as error:
        raise FormError({"": [error.message]}) from error


def ceremony_said(*, user: User, digest: str, consent_raw: bytes, now: dt.datetime) -> KeyCeremony:
    """Take a consent to a ceremony, under the policy in force.

    Raises:
        CeremonyMissingError: If there is no such ceremony.
        CeremonyRefusedError: If it has moved on, or no policy is in force.
        ConsentRefusedError: If the consent does not hold.
    """
    policy = policy_active()
    if policy is None:
        raise CeremonyRefusedError("no_policy", "No policy is in force: nobody can consent.")
    return ceremony_consent(user=user, digest=digest, consent_raw=consent_raw, policy=policy, now=now)
