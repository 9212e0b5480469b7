"""Something newer is withheld, a lease is replayed, borrowed or made up, or the log does not hold the case."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.checkpoint import SignedCheckpoint
from core.documents.consent import Decision
from core.documents.lease import LoggedEntry, LogProof, NamedVeto, SignedLease
from core.errors import Refusal
from core.lease import CLOCK_BOUND, LONGEST
from demo.forgeries.catalogue import Attack, Op, Setting, Step, forgery, sign
from demo.forgeries.keepers import (
    LOG,
    OTHER_ENTRIES,
    THRESHOLD,
    WITNESSES,
    entries_of,
    entry_of_consent,
    entry_of_decision,
    lease,
    log_of,
    logged,
    sign_lease,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from core.canonical import Json
    from core.documents.base import Header
    from core.documents.bundle import Bundle
    from demo.forgeries.case import Case

_OLD = LONGEST + 1


def said(case: Case, asked: Json, witness: str, /, **changes: Any) -> SignedLease:  # noqa: ANN401 - Lease's fields
    """Have a witness lease to the case's signer; it knows nothing newer, unless told otherwise."""
    fields: dict[str, Any] = {
        "deployment": case.deployment,
        "signer": case.policy.wallets[0].signers[0],
        "policy": case.policy.digest,
        "now": case.now,
    }
    return sign_lease(lease(asked, witness=witness, **(fields | changes)))


def honest(case: Case, **changes: Any) -> Callable[[Json], list[SignedLease]]:  # noqa: ANN401 - Lease's fields
    """Return what as many witnesses answer as the policy asks for."""
    return lambda challenge: [said(case, challenge, name, **changes) for name in WITNESSES[:THRESHOLD]]


def _whole(case: Case) -> Bundle:
    return logged(case.bundle(), deployment=case.deployment, now=case.now)


def under(bundle: Bundle, leases: Callable[[Json], Sequence[SignedLease]] | None, *, later: int = 0) -> Step:
    """Ask for a signature, after carrying these leases; whether the signer takes them is not looked at."""
    return dataclasses.replace(sign(bundle, later=later), leases=leases)


def _lifetime(case: Case, created: int, expires: int) -> Header:
    return case.header("lease", created=case.now + created, expires=case.now + expires)


def _newer(case: Case) -> str:
    return case.sign_policy(case.successor(limits=()), *case.cast.admins).policy.digest


def _revoking(case: Case) -> str:
    """Return a policy that strikes the accomplice off, in force at once."""
    people = tuple(person for person in case.policy.people if person.id != case.cast.operator)
    header = case.header("policy", expires=case.policy.header.expires)
    return case.sign_policy(case.successor(people=people, header=header), *case.cast.admins).policy.digest


def _refused(case: Case, bundle: Bundle, bad: Callable[[Json], Sequence[SignedLease]] | None) -> Attack:
    return Attack(forged=under(bundle, bad), control=under(bundle, honest(case)))


def _with(name: str, why: str, changes: Callable[[Case], dict[str, Any]]) -> None:
    def build(case: Case) -> Attack:
        return _refused(case, _whole(case), honest(case, **changes(case)))

    forgery(name, Refusal.LEASE, why=why, setting=Setting.WITNESSED)(build)


_WITHHELD = "What witnesses name and the signer does not know was withheld from it."
_with("newer-policy-withheld", _WITHHELD, lambda case: {"policy": _newer(case)})
_with(
    "revocation-withheld",
    "A revocation reaches a witness, whoever stands before the signer.",
    lambda case: {"policy": _revoking(case)},
)
_with(
    "halt-withheld",
    "One halt that a witness holds stops a signer that nobody told.",
    lambda _: {"halts": ("ab" * 32,)},
)
_with("lease-for-another-signer", "A lease is about one signer's journal and halts.", lambda _: {"signer": "hsm-9"})
_with(
    "lease-of-another-deployment",
    "Another institution's witness knows nothing of this one.",
    lambda case: {"header": dataclasses.replace(_lifetime(case, 0, LONGEST), deployment="ab" * 32)},
)
_with("lease-over-another-challenge", "Yesterday's word is about yesterday.", lambda _: {"challenge": b"\x07" * 32})
_with(
    "lease-over-a-shorter-journal",
    "A journal that witnesses saw longer was rolled back.",
    lambda _: {"journal_size": 7},
)
_with("lease-over-another-journal", "A journal that forked is another one.", lambda _: {"journal_root": b"\x07" * 32})
_with(
    "signer-whose-clock-is-ahead",
    "A clock set forward would end delays, prices and windows early.",
    lambda case: {"header": _lifetime(case, -2 * CLOCK_BOUND, LONGEST - 2 * CLOCK_BOUND)},
)
_with(
    "signer-whose-clock-is-behind",
    "A clock set back would keep what has expired.",
    lambda case: {"header": _lifetime(case, 2 * CLOCK_BOUND, LONGEST)},
)
_with(
    "lease-that-has-expired",
    "A lease is good for minutes.",
    lambda case: {"header": _lifetime(case, -CLOCK_BOUND + 10, -1)},
)
_with(
    "lease-for-a-day",
    "Longer than ten minutes is no lease, whoever signed it.",
    lambda case: {"header": _lifetime(case, 0, 86_400)},
)


@forgery(
    "rejection-dropped-on-the-way",
    Refusal.LEASE,
    why="One person's no reaches the signer.",
    setting=Setting.WITNESSED,
)
def _dropped(case: Case) -> Attack:
    bundle = _whole(case)
    no = NamedVeto(subject=bundle.mandate.digest, actor=case.cast.chief, decision=Decision.REJECT)
    return _refused(case, bundle, honest(case, vetoes=(no,)))


@forgery("withdrawal-dropped-on-the-way", Refusal.LEASE, why="Who asked can take it back.", setting=Setting.WITNESSED)
def _taken_back(case: Case) -> Attack:
    bundle = _whole(case)
    back = NamedVeto(subject=bundle.mandate.digest, actor=case.cast.initiator, decision=Decision.WITHDRAW)
    return _refused(case, bundle, honest(case, vetoes=(back,)))


@forgery("signed-without-any-lease", Refusal.LEASE, why="Silence is not freshness.", setting=Setting.WITNESSED)
def _none(case: Case) -> Attack:
    return _refused(case, _whole(case), None)


@forgery("one-witness-short", Refusal.LEASE, why="The policy asks for two.", setting=Setting.WITNESSED)
def _short(case: Case) -> Attack:
    return _refused(case, _whole(case), lambda challenge: [said(case, challenge, WITNESSES[0])])


@forgery("one-witness-twice", Refusal.LEASE, why="Two leases of one witness are one word.", setting=Setting.WITNESSED)
def _twice(case: Case) -> Attack:
    return _refused(case, _whole(case), lambda challenge: [said(case, challenge, WITNESSES[0]) for _ in range(2)])


@forgery(
    "witness-that-no-policy-names", Refusal.LEASE, why="Anybody can witness for himself.", setting=Setting.WITNESSED
)
def _unlisted(case: Case) -> Attack:
    return _refused(
        case, _whole(case), lambda challenge: [said(case, challenge, name) for name in (WITNESSES[0], "w-9")]
    )


@forgery(
    "lease-in-a-witness-s-name",
    Refusal.LEASE,
    why="A name is not a key: the policy names both.",
    setting=Setting.WITNESSED,
)
def _impostor(case: Case) -> Attack:
    def lying(challenge: Json) -> list[SignedLease]:
        first, second = honest(case)(challenge)
        return [first, sign_lease(second.document, by=WITNESSES[2])]

    return _refused(case, _whole(case), lying)


@forgery(
    "one-witness-knows-and-another-does-not",
    Refusal.LEASE,
    why="Who knows something newer is not outvoted.",
    setting=Setting.WITNESSED,
)
def _outvoted(case: Case) -> Attack:
    def mixed(challenge: Json) -> list[SignedLease]:
        return [*honest(case)(challenge), said(case, challenge, WITNESSES[2], policy=_newer(case))]

    return _refused(case, _whole(case), mixed)


@forgery("lease-played-again", Refusal.LEASE, why="A challenge is used once.", setting=Setting.WITNESSED)
def _again(case: Case) -> Attack:
    kept: list[SignedLease] = []

    def keeping(challenge: Json) -> list[SignedLease]:
        kept[:] = honest(case)(challenge)
        return kept

    return Attack(
        before=(under(_whole(case), keeping),),
        forged=Step(op=Op.LEASE, body=b"", leases=lambda _: kept),
        control=Step(op=Op.LEASE, body=b"", leases=honest(case)),
    )


@forgery(
    "lease-edited-after-it-was-signed", Refusal.LEASE, why="A signature is over all of it.", setting=Setting.WITNESSED
)
def _edited(case: Case) -> Attack:
    def lying(challenge: Json) -> list[SignedLease]:
        halted = honest(case, halts=("ab" * 32,))(challenge)
        return [dataclasses.replace(one, document=dataclasses.replace(one.document, halts=())) for one in halted]

    return _refused(case, _whole(case), lying)


@forgery("lease-that-has-ended", Refusal.LEASE, why="Ten minutes later nobody knows.", setting=Setting.WITNESSED)
def _ended(case: Case) -> Attack:
    after = case.at(_OLD)
    return Attack(
        before=(under(_whole(case), honest(case)),),
        forged=under(_next(after), None, later=_OLD),
        control=under(_next(after), honest(after), later=_OLD),
    )


def _next(case: Case) -> Bundle:
    following = dataclasses.replace(case, nonce=case.nonce + 1)
    return logged(following.bundle(), deployment=case.deployment, now=case.now)


@forgery("cancel-without-a-lease", Refusal.LEASE, why="A cancel is a signature too.", setting=Setting.WITNESSED)
def _cancelled(case: Case) -> Attack:
    bundle, after = _whole(case), case.at(_OLD)
    cancel = logged(after.cancel(bundle, by=(case.cast.honest,)), deployment=case.deployment, now=after.now)
    return Attack(
        before=(under(bundle, honest(case)),),
        forged=under(cancel, None, later=_OLD),
        control=under(cancel, honest(after), later=_OLD),
    )


def _log(name: str, why: str, forge: Callable[[Case, Bundle], LogProof | None]) -> None:
    def build(case: Case) -> Attack:
        bundle = case.bundle()
        forged = dataclasses.replace(bundle, log=forge(case, bundle))
        whole = logged(bundle, deployment=case.deployment, now=case.now)
        return Attack(forged=under(forged, honest(case)), control=under(whole, honest(case)))

    forgery(name, Refusal.INCLUSION, why=why, setting=Setting.WITNESSED)(build)


def _without(case: Case, bundle: Bundle, place: int) -> LogProof:
    entries = tuple(entries_of(bundle, at=case.now))
    kept = (*entries[:place], *entries[place + 1 :])
    return log_of(bundle, deployment=case.deployment, now=case.now, entries=kept).proof()


def _instead(case: Case, bundle: Bundle, place: int, entry: bytes) -> LogProof:
    entries = tuple(entries_of(bundle, at=case.now))
    changed = (*entries[:place], entry, *entries[place + 1 :])
    return log_of(bundle, deployment=case.deployment, now=case.now, entries=changed).proof()


def _changed(case: Case, bundle: Bundle, **changes: Any) -> LogProof:  # noqa: ANN401 - Log's fields
    return log_of(bundle, deployment=case.deployment, now=case.now, **changes).proof()


def _swapped(case: Case, bundle: Bundle) -> LogProof:
    """Show the entries at each other's places."""
    proof = _changed(case, bundle)
    first, second, *rest = proof.entries
    return dataclasses.replace(
        proof,
        entries=(
            dataclasses.replace(first, entry=second.entry),
            dataclasses.replace(second, entry=first.entry),
            *rest,
        ),
    )


def _stale(case: Case, bundle: Bundle) -> LogProof:
    """Show a checkpoint from before the case, and the places that its entries have now."""
    log = log_of(bundle, deployment=case.deployment, now=case.now)
    return dataclasses.replace(log.proof(), checkpoint=log.checkpoint(OTHER_ENTRIES).to_bytes())


def _own_root(case: Case, bundle: Bundle) -> LogProof:
    """Put the signatures of an honest checkpoint under one with another root."""
    log = log_of(bundle, deployment=case.deployment, now=case.now)
    early, now = log.checkpoint(OTHER_ENTRIES), log.checkpoint()
    forged = SignedCheckpoint(checkpoint=now.checkpoint, signatures=early.signatures)
    return dataclasses.replace(log.proof(), checkpoint=forged.to_bytes())


def _of_another(case: Case, bundle: Bundle) -> LogProof:
    other = case.bundle()
    return _instead(case, bundle, 2, entry_of_consent(other.consents[1], at=case.now))


def _unread(case: Case, bundle: Bundle) -> LogProof:
    """Have the log hold bytes that are no entry, and one whose payload has another spelling."""
    proof = _instead(case, bundle, 0, b"not an entry")
    return dataclasses.replace(proof, entries=(*proof.entries, LoggedEntry(entry=b"x", index=0, path=())))


_log("case-without-a-proof-of-the-log", "What nobody can look up afterwards is not signed.", lambda *_: None)
_log("log-signed-by-another-key", "Anybody can write a log.", lambda c, b: _changed(c, b, signed_by=WITNESSES[0]))
_log(
    "checkpoint-one-witness-short",
    "One witness can be owned.",
    lambda c, b: _changed(c, b, cosigned_by=WITNESSES[:1]),
)
_log(
    "checkpoint-cosigned-by-strangers",
    "Only those whom people named remember for them.",
    lambda c, b: _changed(c, b, cosigned_by=(WITNESSES[0], "w-9", LOG)),
)
_log(
    "checkpoint-from-the-future",
    "A witness cannot have seen it yet.",
    lambda c, b: _changed(c, b, at=c.now + 10 * CLOCK_BOUND),
)
_log(
    "checkpoint-of-another-log",
    "The log's name holds the deployment.",
    lambda c, b: log_of(b, deployment="ab" * 32, now=c.now).proof(),
)
_log("checkpoint-from-before-the-case", "What came later is not in it.", _stale)
_log("checkpoint-with-another-root", "Signatures are over the root.", _own_root)
_log("proofs-of-each-other-s-places", "A path proves one entry at one place.", _swapped)
_log("decision-never-logged", "Who decides in secret decides nothing.", lambda c, b: _without(c, b, 0))
_log("asker-s-consent-never-logged", "The asker's word is public.", lambda c, b: _without(c, b, 1))
_log("approval-never-logged", "An approval in secret is none.", lambda c, b: _without(c, b, 3))
_log("another-consent-in-the-log", "The entry names exactly this consent.", _of_another)
_log(
    "denial-in-the-log",
    "What was denied in public is not signed in private.",
    lambda c, b: _instead(c, b, 0, entry_of_decision(b, at=c.now, allowed=False)),
)
_log(
    "decision-under-another-policy-in-the-log",
    "A decision is one policy's.",
    lambda c, b: _instead(c, b, 0, entry_of_decision(b, at=c.now, policy="ab" * 32)),
)
_log(
    "decision-that-says-one-for-true",
    "Only true is true.",
    lambda c, b: _instead(c, b, 0, entry_of_decision(b, at=c.now, allowed=1)),
)
_log("log-of-something-else", "Bytes that are no entry prove nothing.", _unread)
