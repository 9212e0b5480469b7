"""One case, carried among the parties of its wallet until it is signed, refused, or has to wait.

Killed anywhere, the same case at the same fees is brought again: parties that reserved it give their word again, and
one that has the signature answers with it. A certificate is stored before its session begins.
"""

from __future__ import annotations

import secrets
from collections import Counter
from typing import TYPE_CHECKING, cast

from core.certificate import certificate_size
from core.party_script import Case, ScriptError, sign_script
from custody.answers import lane_read, signature_check, status_frame
from custody.errors import SignerAnswerError
from custody.failpoints import FAILPOINTS, failpoint
from custody.parties.certificates import certificate_keep
from custody.parties.group import PARTIES, No, Outcome, PartiesWaitError, group_lane, group_read
from custody.parties.lessons import parties_teach
from custody.parties.line import laggards, parties_ask, rested

if TYPE_CHECKING:
    import datetime as dt

    from core.canonical import Json
    from core.documents.bundle import Bundle, Signature
    from core.party_script import Batch, Heard, Script, Signed
    from custody.answers import Refused
    from custody.models import Wallet
    from custody.nonces import LaneStatus

_FOR_ANYBODY = frozenset({"prepare", "reserve"})
"""Steps that go on without whoever is late, where enough others have answered."""
_troubles: Counter[str] = Counter()
"""How often a party was in a session that ended without a signature, or was slow, since it was last in a good one."""
_patient: set[str] = set()
"""Wallets whose last case did not get through: the next try asks everybody, and waits for all of them."""


def party_sign(*, wallet: Wallet, bundle: Bundle, now: dt.datetime) -> Signature | Refused:
    """Have a case signed by a wallet's parties.

    Args:
        wallet: Whose key it takes.
        bundle: The case.
        now: The current time.

    Returns:
        The checked signature; or the refusal, where so many parties refuse that the others can never be enough.

    Raises:
        SignerWaitsError: Anything else, saying who is there, who agrees and who said no and why.
    """
    roster = wallet.roster
    needed = certificate_size(len(roster.signers), roster.threshold)
    patient = wallet.pk in _patient
    names = roster.signers if patient else rested(roster.signers, needed=needed)
    up, away = parties_teach(names, wallet=roster.id, needed=needed, patient=patient)

    def accepts(made: Json) -> bool:
        try:
            signature_check(made, bundle=bundle)
        except SignerAnswerError:
            return False
        return True

    case = Case(
        bundle=bundle.to_json(),
        deployment=bundle.header.deployment,
        wallet=roster,
        ask=tuple(sorted(up, key=lambda name: (_troubles[name], roster.signers.index(name)))),
        chance=secrets.token_bytes(32),
        accepts=accepts,
    )
    try:
        made = _drive(sign_script(case), now, enough=None if patient else needed)
    except ScriptError as error:
        _patient.add(wallet.pk)
        resting = {name: No(code="unreachable", message="not asked again yet") for name in roster.signers}
        for name in (*up, *away):
            resting.pop(name)
        said = {name: _read_no(refusal) for name, refusal in error.refusals.items()}
        outcome = Outcome(parties=roster.signers, needed=needed, agreed=error.agreed, refusals=resting | away | said)
        read = group_read(outcome)
        if isinstance(read, PartiesWaitError):
            raise read from error
        return read
    _patient.discard(wallet.pk)
    return signature_check(made.signature, bundle=bundle)


def _read_no(refusal: Json) -> No:
    return No(code=str(refusal.get("code")), message=str(refusal.get("message")))


def _drive(script: Script[Signed], now: dt.datetime, *, enough: int | None) -> Signed:
    """Carry out a script's requests; remember who was in sessions that came to nothing, or kept one waiting.

    Raises:
        ScriptError: If it came to nothing.
    """
    members: list[str] = []
    slow: set[str] = set()
    try:
        batch = next(script)
        while True:
            if batch.step == "join":
                _troubles.update(members)
                members = []
            if batch.step == "begin":
                members = list(batch.frames)
            heard = _carry(batch, now, enough)
            if batch.step not in _FOR_ANYBODY:
                slow |= laggards(batch.frames)
            batch = script.send(heard)
    except StopIteration as end:
        for name in members:
            _troubles.pop(name, None)
        return cast("Signed", end.value)
    except ScriptError:
        _troubles.update(members)
        raise
    finally:
        # In a session all are waited for: who kept one waiting is asked last from now on.
        _troubles.update(slow)


def _carry(batch: Batch, now: dt.datetime, enough: int | None) -> Heard:
    if batch.keep is not None:
        certificate_keep(certificate=batch.keep, now=now)
        failpoint("custody.parties.keep")
    good, bad = parties_ask(batch.frames, enough=enough if batch.step in _FOR_ANYBODY else None)
    point = f"custody.parties.{batch.step.partition(' ')[0]}"
    if point in FAILPOINTS:
        failpoint(point)
    return good, {name: {"code": no.code, "message": no.message, "retry": True} for name, no in bad.items()}


def party_lane(*, wallet: Wallet, intent: str) -> LaneStatus:
    """Ask a wallet's parties where its lane stands, and put what they say together. It proves nothing.

    Raises:
        SignerWaitsError: If so few answer that all who reserved a certified case could be among the silent ones.
    """
    roster = wallet.roster
    needed = certificate_size(len(roster.signers), roster.threshold)
    statuses, refusals = parties_ask({name: status_frame() for name in roster.signers})
    lanes: list[LaneStatus] = []
    for name, status in statuses.items():
        try:
            lanes.append(lane_read(status, wallet=wallet.pk))
        except SignerAnswerError as error:
            refusals[name] = No(code=error.code, message=error.message)
    if len(lanes) <= len(roster.signers) - needed:
        outcome = Outcome(parties=roster.signers, needed=needed, agreed=(), refusals=refusals)
        raise PartiesWaitError(PARTIES, outcome)
    return group_lane(lanes, intent=intent)
