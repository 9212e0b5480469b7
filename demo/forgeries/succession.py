"""A loosening is called a tightening, a recovery is more than one, or somebody removed still speaks."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from core.documents.consent import Decision, SubjectType
from core.documents.control import VetoOrder
from core.documents.policy import Condition, ConditionOp, Effect, Quorum, Rule, Seat
from core.documents.roster import Role
from core.errors import Refusal
from demo.forgeries.catalogue import Attack, Setting, control, forgery, policy, sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.documents.policy import Policy, SignedPolicy
    from demo.forgeries.case import Case

_ALL = Condition(op=ConditionOp.GE, field="fee", values=("0",), parts=())


def _first(rows: tuple[Any, ...], **changes: Any) -> tuple[Any, ...]:  # noqa: ANN401 - any row's fields
    return (dataclasses.replace(rows[0], **changes), *rows[1:])


def quorum_of(role: Role, count: int = 1) -> Quorum:
    """Make a quorum of one role."""
    return Quorum(seats=(Seat(role=role, count=count, stage=0),), sites=0)


def controls(old: Policy, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - ControlQuorums' fields
    """Change who must agree to what is not a payment."""
    return {"controls": dataclasses.replace(old.controls, **changes)}


def _grant(name: str, order: int) -> Rule:
    return Rule(
        id=name, label="Anything", order=order, when=_ALL, effect=Effect.ALLOW, quorum=Quorum(seats=(), sites=0)
    )


def listed_at_once(old: Policy) -> dict[str, Any]:
    """Let an address that still cools down be usable at once."""
    now = min(entry.usable_from for entry in old.addresses)
    return {"addresses": tuple(dataclasses.replace(entry, usable_from=now) for entry in old.addresses)}


def _swapped(old: Policy) -> dict[str, Any]:
    """Keep an entry's name and label, and change where it pays to."""
    one, two, *rest = old.addresses
    return {
        "addresses": (
            dataclasses.replace(one, address=two.address),
            dataclasses.replace(two, address=one.address),
            *rest,
        )
    }


def _promoted(old: Policy) -> dict[str, Any]:
    roles = {"tessa": (Role.TRADER, Role.RISK_OFFICER)}
    return {"people": tuple(dataclasses.replace(p, roles=roles.get(p.id, p.roles)) for p in old.people)}


def _negated(old: Policy) -> dict[str, Any]:
    """Turn the guards around under their own names, beside a new one that looks strict."""
    turned = tuple(
        dataclasses.replace(rule, when=Condition(op=ConditionOp.NOT, field=None, values=(), parts=(rule.when,)))
        for rule in old.guards
    )
    strict = Rule(
        id="strict",
        label="Strict",
        order=99,
        when=Condition(op=ConditionOp.NOT, field=None, values=(), parts=(_ALL,)),
        effect=Effect.BLOCK,
        quorum=None,
    )
    return {"guards": (*turned, strict)}


SHAPES: dict[str, Callable[[Policy], dict[str, Any]]] = {
    "limits-dropped": lambda old: {"limits": old.limits[1:]},
    "limit-raised-by-one": lambda old: {"limits": _first(old.limits, most=old.limits[0].most + 1)},
    "limit-with-a-shorter-window": lambda old: {
        "limits": tuple(dataclasses.replace(x, window=60 if x.window else x.window) for x in old.limits)
    },
    "limit-that-only-asks": lambda old: {"limits": _first(old.limits, quorum=quorum_of(Role.RISK_OFFICER))},
    "limit-for-nobody": lambda old: {
        "limits": _first(old.limits, when=Condition(op=ConditionOp.NOT, field=None, values=(), parts=(_ALL,)))
    },
    "guard-dropped": lambda old: {"guards": old.guards[1:]},
    "guards-turned-around": _negated,
    "escalations-dropped": lambda _: {"escalations": ()},
    "grant-added-first": lambda old: {"grants": (_grant("first", 0), *old.grants)},
    "grant-added-last": lambda old: {"grants": (*old.grants, _grant("last", 900_000))},
    "grant-that-matches-everything": lambda old: {"grants": _first(old.grants, when=_ALL)},
    "seat-taken-from-a-grant": lambda old: {"grants": _first(old.grants, quorum=quorum_of(Role.RISK_OFFICER))},
    "seats-given-to-traders": lambda old: {"grants": _first(old.grants, quorum=quorum_of(Role.TRADER, 2))},
    "initiator-made-an-officer": _promoted,
    "address-usable-at-once": listed_at_once,
    "addresses-swapped-under-their-labels": _swapped,
    "cheaper-prices": lambda old: {"prices": tuple(dataclasses.replace(p, usd_e8=1) for p in old.prices)},
    "prices-for-ever": lambda old: {
        "prices": tuple(dataclasses.replace(p, expires=p.expires * 10) for p in old.prices)
    },
    "easier-cancel": lambda old: controls(old, cancel=quorum_of(Role.TRADER)),
    "easier-succession": lambda old: controls(old, succession=quorum_of(Role.TRADER, 2)),
    "no-delay": lambda old: controls(old, succession_delay=0),
    "client-that-nobody-honest-answers-for": lambda old: {
        "clients": tuple(dataclasses.replace(c, responsible=("tom",)) for c in old.clients)
    },
}
"""What an attacker calls a tightening. Each also removes a person, so that it looks like one."""


def _labelled(shape: Callable[[Policy], dict[str, Any]]) -> Callable[[Case], Attack]:
    def build(case: Case) -> Attack:
        before = case.policy
        gone = tuple(person for person in before.people if person.id != case.cast.operator)
        loose = case.successor(
            **({"people": gone} | shape(before)), header=case.header("policy", expires=before.header.expires)
        )
        # The admins do sign it, believing the label. The signer looks for itself, and has it wait.
        return Attack(
            before=(policy(case.sign_policy(loose, *case.cast.admins)),),
            forged=sign(dataclasses.replace(case, policy=loose).bundle()),
            control=sign(case.bundle()),
        )

    return build


for _name, _shape in SHAPES.items():
    forgery(
        f"loosening-labelled-a-tightening-{_name}",
        Refusal.WRONG_POLICY,
        why="Whether a policy only tightens is seen by the signer itself, and anything else waits.",
        lasting=True,
    )(_labelled(_shape))


def _tight(case: Case, *gone: str, **changes: Any) -> Policy:  # noqa: ANN401 - Policy's fields
    """Draft the removal of people, which is in force at once."""
    people = tuple(person for person in case.policy.people if person.id not in gone)
    header = case.header("policy", expires=case.policy.header.expires)
    return case.successor(**({"people": people, "header": header} | changes))


def signed(case: Case, draft: Policy) -> SignedPolicy:
    """Have the admins sign a successor."""
    return case.sign_policy(draft, *case.cast.admins)


def _apart(case: Case, newer: Policy) -> Attack:
    """Hand a policy over, then a case that would be signed without it."""
    before = (policy(signed(case, newer)),)
    return Attack(before=before, forged=sign(case.bundle()), control=sign(case.bundle()), apart=True)


@forgery(
    "signed-under-rules-that-were-tightened",
    Refusal.DENIED,
    why="In flight or not, the newest policy must allow it too.",
    lasting=True,
)
def _in_flight(case: Case) -> Attack:
    tight = _tight(case, grants=())
    return Attack(
        before=(policy(signed(case, tight)),), forged=sign(case.bundle()), control=sign(case.bundle()), apart=True
    )


@forgery(
    "in-flight-to-an-address-that-was-struck-off",
    Refusal.DENIED,
    why="The whitelist that counts is also today's.",
    lasting=True,
)
def _struck_off(case: Case) -> Attack:
    tight = _tight(case, addresses=tuple(e for e in case.policy.addresses if e.address != case.listed))
    return Attack(
        before=(policy(signed(case, tight)),), forged=sign(case.bundle()), control=sign(case.bundle()), apart=True
    )


@forgery(
    "in-flight-approved-by-an-officer-who-was-removed",
    Refusal.QUORUM,
    why="Removals apply at once, to old cases too.",
    setting=Setting.RECOVERABLE,
    lasting=True,
)
def _officer_removed(case: Case) -> Attack:
    tight = _tight(case, case.cast.accomplice)
    mandate = case.mandate()
    others = (case.ask(mandate), *(case.consent(mandate.digest, n) for n in (case.cast.honest, case.cast.chief)))
    return Attack(
        before=(policy(signed(case, tight)),),
        forged=sign(case.bundle(mandate)),
        control=sign(case.bundle(mandate, consents=others)),
    )


@forgery(
    "in-flight-asked-by-somebody-who-was-removed",
    Refusal.UNKNOWN_PERSON,
    why="Whoever left the house asks for nothing.",
    setting=Setting.RECOVERABLE,
    lasting=True,
)
def _asker_removed(case: Case) -> Attack:
    tight = _tight(case, case.cast.initiator)
    by_other = dataclasses.replace(case, cast=dataclasses.replace(case.cast, initiator=case.cast.bystander))
    return Attack(before=(policy(signed(case, tight)),), forged=sign(case.bundle()), control=sign(by_other.bundle()))


@forgery(
    "in-flight-approved-with-a-key-that-was-removed",
    Refusal.QUORUM,
    why="A stolen key is struck off; its person stays.",
    setting=Setting.RECOVERABLE,
    lasting=True,
)
def _key_removed(case: Case) -> Attack:
    people = tuple(dataclasses.replace(p, keys=()) if p.id == case.cast.accomplice else p for p in case.policy.people)
    return _apart(case, _tight(case, people=people))


@forgery(
    "removed-officer-approves-during-the-delay",
    Refusal.QUORUM,
    why="The rest of that policy waits; the removal does not.",
    setting=Setting.RECOVERABLE,
    lasting=True,
)
def _removed_meanwhile(case: Case) -> Attack:
    slow = _tight(case, case.cast.accomplice, institution="New Name Bank")
    return _apart(case, slow)


@forgery(
    "removed-officer-vetoes-the-removal",
    Refusal.UNKNOWN_PERSON,
    why="Who is struck off cannot keep himself in.",
    setting=Setting.RECOVERABLE,
    lasting=True,
)
def _veto_removal(case: Case) -> Attack:
    slow = _tight(case, case.cast.accomplice, institution="New Name Bank")
    return Attack(
        before=(policy(signed(case, slow)),),
        forged=control(veto(case, slow, case.cast.accomplice)),
        control=control(veto(case, slow, case.cast.honest)),
    )


def veto(case: Case, draft: Policy, name: str) -> VetoOrder:
    """Have one person reject a policy that waits."""
    no = case.consent(draft.digest, name, Decision.REJECT, subject_type=SubjectType.POLICY, reason="No")
    return VetoOrder(kind="veto", consents=(no,))


@forgery("vetoed-policy-handed-over-again", Refusal.SUCCESSION, Refusal.REJECTED, why="No is final.", lasting=True)
def _vetoed(case: Case) -> Attack:
    slow = signed(case, case.successor(institution="New Name Bank"))
    return Attack(
        before=(policy(slow), control(veto(case, slow.policy, case.cast.operator))),
        forged=policy(slow),
        control=policy(signed(case, case.successor(institution="New Name Bank"))),
    )


@forgery(
    "superseded-policy-played-again", Refusal.SUCCESSION, why="What was replaced never comes back.", lasting=True
)
def _superseded(case: Case) -> Attack:
    slow, tight = signed(case, case.successor(limits=())), signed(case, drafted_later(case, case.successor()))
    return Attack(before=(policy(slow), policy(tight)), forged=policy(slow), control=policy(tight))


@forgery(
    "draft-kept-back-to-undo-a-removal",
    Refusal.SUCCESSION,
    why="What was drafted earlier does not replace what waits.",
    setting=Setting.RECOVERABLE,
    lasting=True,
)
def _kept_back(case: Case) -> Attack:
    old = signed(case, case.successor(institution="Old Name Bank"))
    slow = drafted_later(case, _tight(case, case.cast.accomplice, institution="New Name Bank"))
    newer = drafted_later(case, slow, 2)
    return Attack(before=(policy(signed(case, slow)),), forged=policy(old), control=policy(signed(case, newer)))


def drafted_later(case: Case, draft: Policy, seconds: int = 1) -> Policy:
    """Draft the same a moment later, and good for as long."""
    created = case.now + seconds
    return dataclasses.replace(draft, header=case.header("policy", created=created, expires=draft.header.expires))
