"""The wrong people: too few, the same one twice, one who asks and approves, one who is not on the roster."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.consent import Decision, Ed25519Proof, SignedConsent, WebAuthnProof
from core.documents.control import VetoOrder
from core.documents.mandate import Asker, AskerKind
from core.errors import Refusal
from demo.forgeries.catalogue import Attack, Setting, control, forgery, sign

if TYPE_CHECKING:
    from core.documents.mandate import Mandate
    from demo.forgeries.case import Case


def _with(case: Case, mandate: Mandate, *consents: SignedConsent) -> Attack:
    """Replace the consents of an otherwise good case."""
    return Attack(forged=sign(case.bundle(mandate, consents=consents)), control=sign(case.bundle()))


@forgery("one-approver-short", Refusal.QUORUM, why="Two of risk means two.")
def _short(case: Case) -> Attack:
    mandate = case.mandate()
    return _with(case, mandate, case.ask(mandate), case.consent(mandate.digest, case.cast.accomplice))


@forgery("one-person-in-two-seats", Refusal.QUORUM, why="Two consents of one person are one voice.")
def _twice(case: Case) -> Attack:
    mandate = case.mandate()
    twice = (case.consent(mandate.digest, case.cast.accomplice), case.consent(mandate.digest, case.cast.accomplice))
    return _with(case, mandate, case.ask(mandate), *twice)


@forgery("one-consent-delivered-twice", Refusal.QUORUM, why="The same consent twice is one voice.")
def _duplicated(case: Case) -> Attack:
    mandate = case.mandate()
    once = case.consent(mandate.digest, case.cast.accomplice)
    return _with(case, mandate, case.ask(mandate), once, once)


@forgery(
    "initiator-approves-as-officer", Refusal.QUORUM, why="Who asks has no seat.", setting=Setting.TRADING_OFFICER
)
def _initiator_approves(case: Case) -> Attack:
    mandate = case.mandate()
    own = tuple(case.consent(mandate.digest, name) for name in (case.cast.initiator, case.cast.accomplice))
    return _with(case, mandate, case.ask(mandate), *own)


@forgery("initiator-approves-under-another-account", Refusal.UNKNOWN_KEY, why="A key belongs to one person.")
def _other_account(case: Case) -> Attack:
    mandate = case.mandate()
    forged = case.sign(case.statement(mandate.digest, case.cast.honest), by=case.cast.initiator)
    return _with(case, mandate, case.ask(mandate), forged, case.consent(mandate.digest, case.cast.accomplice))


@forgery("own-signature-under-an-honest-credential", Refusal.ASSERTION, why="The roster's key verifies, no other.")
def _other_credential(case: Case) -> Attack:
    mandate = case.mandate()
    forged = case.sign(case.statement(mandate.digest, case.cast.honest), by=case.cast.initiator)
    claimed = case.keys[case.cast.honest].credential_id
    if not isinstance(forged.proof, WebAuthnProof):
        raise TypeError(forged)
    relabelled = dataclasses.replace(forged, proof=dataclasses.replace(forged.proof, credential_id=claimed))
    return _with(case, mandate, case.ask(mandate), relabelled, case.consent(mandate.digest, case.cast.accomplice))


@forgery("accomplice-signs-for-an-honest-officer", Refusal.UNKNOWN_KEY, why="A credential is looked up in its owner.")
def _for_another(case: Case) -> Attack:
    mandate = case.mandate()
    forged = case.sign(case.statement(mandate.digest, case.cast.honest), by=case.cast.accomplice)
    return _with(case, mandate, case.ask(mandate), forged, case.consent(mandate.digest, case.cast.accomplice))


@forgery("approver-that-no-roster-knows", Refusal.UNKNOWN_PERSON, why="A row in the database is no person.")
def _injected(case: Case) -> Attack:
    mandate = case.mandate()
    forged = case.sign(case.statement(mandate.digest, "mallory"), by=case.cast.accomplice)
    return _with(case, mandate, case.ask(mandate), *case.approvals(mandate), forged)


@forgery("approvers-of-the-wrong-role", Refusal.QUORUM, why="A seat asks for a role that the policy gave.")
def _wrong_role(case: Case) -> Attack:
    mandate = case.mandate()
    others = (case.cast.bystander, case.cast.operator, case.cast.admins[0], case.cast.accomplice)
    return _with(case, mandate, case.ask(mandate), *(case.consent(mandate.digest, name) for name in others))


@forgery("large-payment-without-the-chief", Refusal.QUORUM, why="Escalations are joined to what a grant asks for.")
def _no_chief(case: Case) -> Attack:
    mandate = case.mandate(case.intent(value=5 * 10**18))
    return _with(case, mandate, case.ask(mandate), *case.approvals(mandate))


@forgery(
    "all-approvers-at-one-site", Refusal.QUORUM, why="Sites are counted, not only people.", setting=Setting.TWO_SITES
)
def _one_site(case: Case) -> Attack:
    mandate = case.mandate()
    same = tuple(case.consent(mandate.digest, name) for name in (case.cast.honest, case.cast.bystander))
    return _with(case, mandate, case.ask(mandate), *same)


@forgery(
    "site-lent-by-the-chief",
    Refusal.QUORUM,
    why="Two officers of two sites are asked for; a chief elsewhere, whom an escalation adds, is no officer.",
    setting=Setting.TWO_SITES,
)
def _lent_site(case: Case) -> Attack:
    mandate = case.mandate(case.intent(value=5 * 10**18))
    names = (case.cast.honest, case.cast.bystander, case.cast.chief)
    same = tuple(case.consent(mandate.digest, name) for name in names)
    return _with(case, mandate, case.ask(mandate), *same)


def _by_client(case: Case) -> Mandate:
    return case.mandate(asker=Asker(kind=AskerKind.CLIENT, id=case.cast.client))


@forgery("responsible-person-approves-the-own-client", Refusal.QUORUM, why="A client's owner counts as initiator.")
def _responsible(case: Case) -> Attack:
    mandate = _by_client(case)
    return _with(case, mandate, case.ask(mandate), *case.approvals(mandate))


@forgery("client-that-approves", Refusal.CONSENT_MISMATCH, why="A program asks; it never consents.")
def _client_approves(case: Case) -> Attack:
    mandate = case.mandate()
    return _with(
        case, mandate, case.ask(mandate), *case.approvals(mandate), case.consent(mandate.digest, case.cast.client)
    )


@forgery("client-ask-by-another-key", Refusal.ASSERTION, why="The roster's Ed25519 key verifies, no other.")
def _client_key(case: Case) -> Attack:
    mandate = _by_client(case)
    wrong = Ed25519Proof(kind="ed25519", signature=bytes(64))
    ask = dataclasses.replace(case.ask(mandate), proof=wrong)
    return _with(case, mandate, ask, *case.approvals(mandate))


@forgery("person-asks-without-a-security-key", Refusal.UNKNOWN_PERSON, why="Only clients sign with Ed25519.")
def _person_as_client(case: Case) -> Attack:
    mandate = case.mandate()
    proof = Ed25519Proof(kind="ed25519", signature=case.client_key.sign(bytes.fromhex(mandate.digest)))
    ask = SignedConsent(statement=case.statement(mandate.digest, case.cast.initiator, Decision.ASK), proof=proof)
    return _with(case, mandate, ask, *case.approvals(mandate))


@forgery("person-named-as-client", Refusal.UNKNOWN_PERSON, why="A person's id is nobody's client.")
def _named_client(case: Case) -> Attack:
    mandate = case.mandate(asker=Asker(kind=AskerKind.CLIENT, id=case.cast.initiator))
    return _with(case, mandate, case.ask(mandate), *case.approvals(mandate))


@forgery("nobody-asked", Refusal.NO_ASKER, why="The initiator is taken from a signature, not from a field.")
def _nobody(case: Case) -> Attack:
    mandate = case.mandate()
    return _with(case, mandate, *case.approvals(mandate))


@forgery("somebody-else-asked", Refusal.NO_ASKER, why="Otherwise the initiator could approve under the own name.")
def _somebody_else(case: Case) -> Attack:
    mandate = case.mandate(asker=Asker(kind=AskerKind.PERSON, id=case.cast.bystander))
    ask = case.consent(mandate.digest, case.cast.initiator, Decision.ASK)
    return _with(case, mandate, ask, *case.approvals(mandate))


@forgery("two-people-asked", Refusal.NO_ASKER, why="The asker, and only the asker, asks.")
def _two_asked(case: Case) -> Attack:
    mandate = case.mandate()
    second = case.consent(mandate.digest, case.cast.accomplice, Decision.ASK)
    return _with(case, mandate, case.ask(mandate), second, *case.approvals(mandate))


@forgery("approved-over-a-rejection", Refusal.REJECTED, why="One rejection ends a case, whoever else approves.")
def _rejected(case: Case) -> Attack:
    mandate = case.mandate()
    no = case.consent(mandate.digest, case.cast.bystander, Decision.REJECT, reason="Not ours")
    return _with(case, mandate, case.ask(mandate), *case.approvals(mandate), no)


@forgery("asked-and-withdrawn", Refusal.WITHDRAWN, why="The asker may think again.")
def _withdrawn(case: Case) -> Attack:
    mandate = case.mandate()
    back = case.consent(mandate.digest, case.cast.initiator, Decision.WITHDRAW)
    return _with(case, mandate, case.ask(mandate), *case.approvals(mandate), back)


@forgery("approval-that-was-withdrawn", Refusal.QUORUM, why="A withdrawn approval fills no seat.")
def _approval_withdrawn(case: Case) -> Attack:
    mandate = case.mandate()
    back = case.consent(mandate.digest, case.cast.honest, Decision.WITHDRAW)
    return _with(case, mandate, case.ask(mandate), *case.approvals(mandate), back)


def _vetoed(case: Case, actor: str, decision: Decision) -> Attack:
    """Hand a veto to the signer itself; the bundle leaves it out."""
    mandate = case.mandate()
    veto = VetoOrder(kind="veto", consents=(case.consent(mandate.digest, actor, decision),))
    return Attack(before=(control(veto),), forged=sign(case.bundle(mandate)), control=sign(case.bundle()))


@forgery("rejection-left-out-of-the-bundle", Refusal.REJECTED, why="People can hand it to the signer directly.")
def _hidden_rejection(case: Case) -> Attack:
    return _vetoed(case, case.cast.bystander, Decision.REJECT)


@forgery("withdrawal-left-out-of-the-bundle", Refusal.WITHDRAWN, why="The asker can hand it to the signer directly.")
def _hidden_withdrawal(case: Case) -> Attack:
    return _vetoed(case, case.cast.initiator, Decision.WITHDRAW)


@forgery("withdrawn-approval-left-in-the-bundle", Refusal.QUORUM, why="What was handed to the signer counts.")
def _hidden_second_thought(case: Case) -> Attack:
    return _vetoed(case, case.cast.honest, Decision.WITHDRAW)
