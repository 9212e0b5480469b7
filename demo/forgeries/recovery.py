"""A recovery is more than one, comes from too few, or comes too soon; its keys are used for something else."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.documents.consent import Decision, SubjectType
from core.documents.control import VetoOrder
from core.documents.roster import Role
from core.errors import Refusal
from demo.forgeries.catalogue import Attack, Setting, control, forgery, policy, sign
from demo.forgeries.holders import HOLDERS, THRESHOLD, hold, recover
from demo.forgeries.succession import controls, drafted_later, listed_at_once, quorum_of, signed, veto

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from demo.forgeries.case import Case

_WEEK = 7 * 86_400


def _lost(case: Case, **changes: Any) -> Policy:  # noqa: ANN401 - Policy's fields
    """Draft a recovery: the operator leaves the roster."""
    people = tuple(person for person in case.policy.people if person.id != case.cast.operator)
    return case.successor(**({"people": people} | changes))


def _recovery(case: Case, forged: Any) -> Attack:  # noqa: ANN401 - a signed policy
    return Attack(forged=policy(forged), control=policy(recover(case, _lost(case), *HOLDERS[:THRESHOLD])))


_HELD: dict[str, Any] = {"setting": Setting.RECOVERABLE, "lasting": True}


@forgery("recovery-that-drops-the-limits", Refusal.SUCCESSION, why="Recovery keys change the roster only.", **_HELD)
def _recovers_limits(case: Case) -> Attack:
    return _recovery(case, recover(case, _lost(case, limits=()), *HOLDERS))


@forgery("recovery-that-shortens-its-own-delay", Refusal.SUCCESSION, why="Nor their own rules.", **_HELD)
def _recovers_delay(case: Case) -> Attack:
    return _recovery(case, recover(case, _lost(case, **controls(case.policy, recovery_delay=0)), *HOLDERS))


@forgery("recovery-that-eases-the-succession", Refusal.SUCCESSION, why="Nor what a quorum is.", **_HELD)
def _recoversquorum_of(case: Case) -> Attack:
    return _recovery(
        case, recover(case, _lost(case, **controls(case.policy, succession=quorum_of(Role.TRADER, 2))), *HOLDERS)
    )


@forgery("recovery-that-whitelists-an-address", Refusal.SUCCESSION, why="Nor where money goes.", **_HELD)
def _recovers_address(case: Case) -> Attack:
    return _recovery(case, recover(case, _lost(case, **listed_at_once(case.policy)), *HOLDERS))


@forgery(
    "recovery-for-ever", Refusal.SUCCESSION, why="It renews the rules for no longer than they were made for.", **_HELD
)
def _recovers_for_ever(case: Case) -> Attack:
    header = case.header("policy", lifetime=100 * 365 * 86_400)
    return _recovery(case, recover(case, _lost(case, header=header), *HOLDERS))


@forgery("recovery-below-its-threshold", Refusal.SUCCESSION, why="One vault alone recovers nothing.", **_HELD)
def _recovery_short(case: Case) -> Attack:
    return _recovery(case, recover(case, _lost(case), HOLDERS[0]))


@forgery("recovery-by-one-holder-twice", Refusal.SUCCESSION, why="One key, one voice.", **_HELD)
def _recovery_twice(case: Case) -> Attack:
    return _recovery(case, recover(case, _lost(case), HOLDERS[0], HOLDERS[0]))


@forgery("recovery-by-one-holder-under-two-names", Refusal.ASSERTION, why="A name is not a key.", **_HELD)
def _recovery_names(case: Case) -> Attack:
    draft = _lost(case)
    one = recover(case, draft, HOLDERS[0])
    other = case.statement(draft.digest, HOLDERS[1], subject_type=SubjectType.POLICY)
    return _recovery(case, dataclasses.replace(one, consents=(*one.consents, hold(other, HOLDERS[0]))))


@forgery("recovery-with-an-admin-for-a-holder", Refusal.SUCCESSION, why="Two quorums are not added up.", **_HELD)
def _recovery_mixed(case: Case) -> Attack:
    draft = _lost(case)
    half, admin = recover(case, draft, HOLDERS[0]), case.sign_policy(draft, case.cast.admins[0])
    return _recovery(case, dataclasses.replace(half, consents=(*half.consents, *admin.consents)))


@forgery("recovery-signed-for-another-policy", Refusal.CONSENT_MISMATCH, why="A signature names its draft.", **_HELD)
def _recovery_moved(case: Case) -> Attack:
    return _recovery(case, dataclasses.replace(recover(case, _lost(case), *HOLDERS), policy=_lost(case)))


@forgery("recovery-keys-used-as-a-quorum", Refusal.SUCCESSION, why="They make no policy.", **_HELD)
def _recovery_asquorum_of(case: Case) -> Attack:
    return _recovery(case, recover(case, case.successor(limits=(), guards=()), *HOLDERS))


@forgery("recovery-key-that-approves-a-payment", Refusal.UNKNOWN_PERSON, why="They approve nothing.", **_HELD)
def _recovery_pays(case: Case) -> Attack:
    mandate = case.mandate()
    holder = hold(case.statement(mandate.digest, HOLDERS[0]), HOLDERS[0])
    consents = (case.ask(mandate), case.consent(mandate.digest, case.cast.accomplice), holder)
    return Attack(forged=sign(case.bundle(mandate, consents=consents)), control=sign(case.bundle(mandate)))


@forgery("recovery-used-before-its-week", Refusal.WRONG_POLICY, why="Seven days, for people to say no.", **_HELD)
def _recovery_early(case: Case) -> Attack:
    draft = _lost(case)
    early = dataclasses.replace(case.at(_WEEK - 1), policy=draft)
    late = dataclasses.replace(case.at(_WEEK), policy=draft)
    return Attack(
        before=(policy(recover(case, draft, *HOLDERS)),),
        forged=sign(early.bundle(), later=_WEEK - 1),
        control=sign(late.bundle(), later=_WEEK),
    )


@forgery("recovery-after-one-person-said-no", Refusal.WRONG_POLICY, why="Any one person ends it.", **_HELD)
def _recovery_vetoed(case: Case) -> Attack:
    draft = _lost(case)
    late, new = case.at(_WEEK), dataclasses.replace(case.at(_WEEK), policy=draft)
    return Attack(
        before=(policy(recover(case, draft, *HOLDERS)), control(veto(case, draft, case.cast.bystander))),
        forged=sign(new.bundle(), later=_WEEK),
        control=sign(late.bundle(), later=_WEEK),
    )


@forgery(
    "recovery-that-removes-people-at-once", Refusal.UNKNOWN_PERSON, why="It removes nobody before its time.", **_HELD
)
def _recovery_removes(case: Case) -> Attack:
    draft = _lost(case)
    stranger = dataclasses.replace(
        veto(case, draft, case.cast.operator).consents[0],
        statement=case.statement(draft.digest, "nobody", Decision.REJECT, subject_type=SubjectType.POLICY),
    )
    return Attack(
        before=(policy(recover(case, draft, *HOLDERS)),),
        forged=control(VetoOrder(kind="veto", consents=(stranger,))),
        control=control(veto(case, draft, case.cast.operator)),
    )


@forgery(
    "recovery-in-the-place-of-a-quorums-policy",
    Refusal.SUCCESSION,
    why="Where a quorum speaks, nothing is recovered.",
    **_HELD,
)
def _recovery_replaces(case: Case) -> Attack:
    slow = signed(case, case.successor(institution="New Name Bank"))
    return Attack(
        before=(policy(slow),),
        forged=policy(recover(case, drafted_later(case, _lost(case)), *HOLDERS)),
        control=policy(signed(case, drafted_later(case, case.successor(institution="Newer Name Bank")))),
    )
