"""The policy itself is edited, rolled back, signed by too few, or taken from elsewhere."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.consent import Decision, SubjectType
from core.documents.policy import SignedPolicy
from core.documents.roster import Profile
from core.errors import Refusal
from demo.forgeries.catalogue import Attack, forgery, policy, sign
from demo.softkey import SoftKey

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from demo.forgeries.case import Case

DAY = 86_400


def _loosened(case: Case) -> Policy:
    """Draft what an attacker wants: no guards, no limits."""
    return case.successor(guards=(), limits=())


def _under(case: Case, edited: Policy) -> Attack:
    """Rebuild a whole case under an edited policy; everybody's keys sign, so only the policy is wrong."""
    other = dataclasses.replace(case, policy=edited)
    return Attack(forged=sign(other.bundle()), control=sign(case.bundle()))


@forgery("policy-edited-in-the-database", Refusal.WRONG_DEPLOYMENT, why="A genesis with other rules is another root.")
def _edited(case: Case) -> Attack:
    return _under(case, dataclasses.replace(case.policy, limits=()))


@forgery("policy-named-that-was-never-accepted", Refusal.WRONG_POLICY, why="A signer knows the digests it accepted.")
def _named(case: Case) -> Attack:
    return _under(case, _loosened(case))


@forgery("mandate-under-another-policy", Refusal.WRONG_POLICY, why="People consent under the policy they see.")
def _mandate_policy(case: Case) -> Attack:
    mandate = case.mandate(policy="ef" * 32)
    return Attack(forged=sign(case.bundle(mandate)), control=sign(case.bundle()))


def _succession(case: Case, forged: SignedPolicy) -> Attack:
    good = case.sign_policy(case.successor(), *case.cast.admins)
    return Attack(forged=policy(forged), control=policy(good))


@forgery(
    "policy-signed-by-one-admin",
    Refusal.SUCCESSION,
    why="The attacker has one admin's password, even a key.",
    lasting=True,
)
def _one_admin(case: Case) -> Attack:
    return _succession(case, case.sign_policy(_loosened(case), case.cast.admins[0]))


@forgery("policy-signed-by-one-admin-twice", Refusal.SUCCESSION, why="One person, one seat.", lasting=True)
def _one_admin_twice(case: Case) -> Attack:
    return _succession(case, case.sign_policy(_loosened(case), case.cast.admins[0], case.cast.admins[0]))


@forgery(
    "policy-signed-by-officers", Refusal.SUCCESSION, why="Approving payments is not making policy.", lasting=True
)
def _officers(case: Case) -> Attack:
    return _succession(case, case.sign_policy(_loosened(case), *case.approvers, case.cast.admins[0]))


@forgery(
    "policy-edited-after-signing", Refusal.CONSENT_MISMATCH, why="A consent names the policy's digest.", lasting=True
)
def _edited_after(case: Case) -> Attack:
    good = case.sign_policy(case.successor(), *case.cast.admins)
    return _succession(case, dataclasses.replace(good, policy=dataclasses.replace(good.policy, limits=())))


@forgery(
    "policy-that-the-new-roster-signs",
    Refusal.UNKNOWN_KEY,
    why="The predecessor's people judge, not its own.",
    lasting=True,
)
def _self_signed(case: Case) -> Attack:
    own = {name: SoftKey.generate() for name in case.cast.admins}
    draft = _loosened(case)
    people = tuple(
        dataclasses.replace(person, keys=(own[person.id].entry,)) if person.id in own else person
        for person in draft.people
    )
    draft = dataclasses.replace(draft, people=people)
    theirs = dataclasses.replace(case, keys=dict(case.keys) | own)
    return _succession(case, theirs.sign_policy(draft, *case.cast.admins))


@forgery("policy-that-skips-a-number", Refusal.SUCCESSION, why="It strictly follows.", lasting=True)
def _skips(case: Case) -> Attack:
    return _succession(case, case.sign_policy(case.successor(number=case.policy.number + 2), *case.cast.admins))


@forgery("policy-that-follows-another-one", Refusal.SUCCESSION, why="It names its predecessor.", lasting=True)
def _follows_other(case: Case) -> Attack:
    return _succession(case, case.sign_policy(case.successor(previous="ef" * 32), *case.cast.admins))


@forgery(
    "policy-of-another-deployment",
    Refusal.WRONG_DEPLOYMENT,
    why="The test system's policies stay there.",
    lasting=True,
)
def _deployment(case: Case) -> Attack:
    header = case.header("policy", deployment="cd" * 32)
    return _succession(case, case.sign_policy(case.successor(header=header), *case.cast.admins))


@forgery("genesis-sent-as-a-successor", Refusal.SUCCESSION, why="A deployment has one root.", lasting=True)
def _genesis(case: Case) -> Attack:
    return _succession(case, case.sign_policy(dataclasses.replace(case.policy, limits=()), *case.cast.admins))


@forgery("policy-that-changes-the-profile", Refusal.PROFILE, why="A demo never becomes production.", lasting=True)
def _profile(case: Case) -> Attack:
    other = Profile.PRODUCTION if case.policy.profile is Profile.DEMO else Profile.DEMO
    return _succession(case, case.sign_policy(case.successor(profile=other), *case.cast.admins))


@forgery("policy-with-a-key-in-two-hands", Refusal.POLICY_INVALID, why="One key, one person.", lasting=True)
def _shared_key(case: Case) -> Attack:
    shared = next(p.keys for p in case.policy.people if p.id == case.cast.accomplice)
    people = tuple(
        dataclasses.replace(p, keys=shared) if p.id == case.cast.bystander else p for p in case.policy.people
    )
    return _succession(case, case.sign_policy(case.successor(people=people), *case.cast.admins))


@forgery("expired-policy-sent-late", Refusal.EXPIRED, why="A draft that was left lying about.", lasting=True)
def _expired(case: Case) -> Attack:
    header = case.header("policy", created=case.now - DAY, expires=case.now - 1)
    return _succession(case, case.sign_policy(case.successor(header=header), *case.cast.admins))


@forgery("rejected-policy", Refusal.REJECTED, why="One rejection ends it here too.", lasting=True)
def _rejected(case: Case) -> Attack:
    signed = case.sign_policy(case.successor(), *case.cast.admins)
    no = case.consent(
        signed.policy.digest, case.cast.operator, Decision.REJECT, subject_type=SubjectType.POLICY, reason="No"
    )
    return _succession(case, dataclasses.replace(signed, consents=(*signed.consents, no)))


@forgery(
    "mandate-approval-used-for-a-policy",
    Refusal.CONSENT_MISMATCH,
    why="The purpose is in the statement.",
    lasting=True,
)
def _purpose(case: Case) -> Attack:
    draft = _loosened(case)
    return _succession(
        case,
        SignedPolicy(policy=draft, consents=tuple(case.consent(draft.digest, name) for name in case.cast.admins)),
    )


@forgery(
    "successor-used-before-its-delay", Refusal.WRONG_POLICY, why="The delay is for people to notice.", lasting=True
)
def _early(case: Case) -> Attack:
    successor = _loosened(case)
    new = dataclasses.replace(case, policy=successor)
    return Attack(
        before=(policy(case.sign_policy(successor, *case.cast.admins)),),
        forged=sign(new.bundle()),
        control=sign(case.bundle()),
    )


@forgery(
    "signed-under-an-expired-policy",
    Refusal.POLICY_EXPIRED,
    why="Nobody has confirmed the rules for too long.",
    lasting=True,
)
def _policy_expired(case: Case) -> Attack:
    end = case.policy.header.expires - case.now
    return Attack(forged=sign(case.at(end).bundle(), later=end), control=sign(case.bundle()), apart=True)
