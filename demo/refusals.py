"""Forgeries against the running signer, over its own socket, each with a control that it accepts.

They are tried on the Drill wallet: the controls are signed for real, use up its nonces, and are never sent.
"""

from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.documents.mandate import SingleOrder
from core.errors import Refusal
from core.names import checksum_address
from demo.attesting import attester_ask, rewritten
from demo.forgeries.case import Case
from demo.forgeries.catalogue import CATALOGUE, Op
from demo.services.processes import ServiceError

if TYPE_CHECKING:
    from pathlib import Path

    from core.documents.bundle import Bundle
    from core.documents.mandate import Intent, Mandate
    from demo.forgeries.catalogue import Attack
    from demo.institution import Institution
    from demo.site import Site
    from demo.telling import Teller

ETHER = 10**18
_LISTED = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
_COOLING = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
_STRANGER = "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"
PLAYED = (
    "amount-changed-after-consent",
    "destination-changed-after-consent",
    "fee-cap-raised-after-consent",
    "new-id-for-a-second-payment",
    "intent-beside-its-mandate",
    "one-approver-short",
    "one-person-in-two-seats",
    "initiator-approves-under-another-account",
    "accomplice-signs-for-an-honest-officer",
    "approver-that-no-roster-knows",
    "nobody-asked",
    "approved-over-a-rejection",
    "assertion-made-at-the-web-origin",
    "assertion-without-user-verification",
    "assertion-of-a-backup-eligible-key",
)
"""Those that need neither another policy nor another clock, and leave the signer as it was."""


@dataclasses.dataclass(kw_only=True)
class DrillCase(Case):
    """As `Case`, with payments large enough for the demo's policy to ask for two officers."""

    def intent(self, **changes: Any) -> Intent:  # noqa: ANN401 - Intent's fields
        """Make an intent: half an ether to the listed address, unless told otherwise."""
        return super().intent(**({"value": ETHER // 2} | changes))

    def bundle(self, mandate: Mandate | None = None, **changes: Any) -> Bundle:  # noqa: ANN401 - Bundle's fields
        """Make a whole case, with what the attester signs about its intent."""
        mandate = mandate or self.mandate()
        if "attestations" not in changes and isinstance(mandate.order, SingleOrder):
            changes["attestations"] = (attester_ask(mandate.order.intent),)
        return super().bundle(mandate, **changes)


def _lies(case: Case) -> tuple[Bundle, ...]:
    """Put payments together that cannot succeed, that everybody signed, and that the web tier says succeed.

    It rewrites what the attester signed, shows what the attester signed about something else, or shows nothing.
    """
    impossible = case.token_intent(10**30)
    mandate = case.mandate(impossible)
    truth, other = attester_ask(impossible), attester_ask(case.intent())
    return tuple(case.bundle(mandate, attestations=shown) for shown in ((rewritten(truth),), (other,), (), (truth,)))


def _sign(institution: Institution, site: Site, bundle: object) -> dict[str, Any]:
    return site.carry(institution.socket, {"v": 1, "op": "sign", "bundle": bundle})


def recorded(site: Site, controls: list[bytes]) -> list[dict[str, Any]]:
    """Have the web tier log what the controls rest on, and return them with their proofs."""
    lines = b"\n".join(controls).decode()
    proven: list[dict[str, Any]] = json.loads(site.web.run("-m", "demo.record", given=lines))
    return proven


def drill_case(institution: Institution, site: Site, *, label: str, place: Path) -> Case:
    """Put together what an attacker starts from at one wallet; `place` is where a signer of it listens."""
    wallet = next(w for w in institution.policy.wallets if w.label == label)
    status = site.carry(place, {"v": 1, "op": "status"})["result"]
    lane = status["lanes"].get(wallet.id, {"next": 0})
    return DrillCase(
        policy=institution.policy,
        wallet=wallet.id,
        keys={name: member.consent_key for name, member in institution.cast.members.items()},
        client_key=Ed25519PrivateKey.generate(),
        now=int(time.time()),
        nonce=int(lane["next"]),
        listed=checksum_address(_LISTED),
        cooling=checksum_address(_COOLING),
        stranger=checksum_address(_STRANGER),
        token=institution.token,
    )


@dataclasses.dataclass(frozen=True)
class Refusals:
    """The forgeries with their controls, which the log holds by now."""

    attacks: tuple[Attack, ...]
    controls: tuple[dict[str, Any], ...]
    lies: tuple[dict[str, Any], ...]


def refusals_prepare(institution: Institution, site: Site) -> Refusals:
    """Build every forgery and its control, and have the log hold what the controls rest on.

    Args:
        institution: Whose signer is attacked.
        site: Its processes: the web tier writes the log.
    """
    case = drill_case(institution, site, label="Drill", place=institution.socket)
    # Each control uses up one nonce, and no forgery does.
    attacks = tuple(
        CATALOGUE[name].build(dataclasses.replace(case, nonce=case.nonce + number))
        for number, name in enumerate(PLAYED)
    )
    steps = [step for attack in attacks for step in (attack.forged, attack.control)]
    if any(step.op is not Op.SIGN for step in steps) or any(attack.before for attack in attacks):
        raise ServiceError("only bundles are played here")
    lies = [one.to_bytes() for one in _lies(dataclasses.replace(case, nonce=case.nonce + len(attacks)))]
    proven = recorded(site, [*(attack.control.body for attack in attacks), *lies])
    return Refusals(attacks, tuple(proven[: len(attacks)]), tuple(proven[len(attacks) :]))


def refusals_play(institution: Institution, site: Site, ready: Refusals, tell: Teller) -> int:
    """Try every forgery and its control; return how many were refused with a typed answer.

    Args:
        institution: Whose signer is attacked.
        site: Its processes.
        ready: What was prepared.
        tell: Where progress is told.

    Raises:
        ServiceError: If a forgery is signed, refused for another reason, or its control is refused.
    """
    for name, attack, control in zip(PLAYED, ready.attacks, ready.controls, strict=True):
        forgery = CATALOGUE[name]
        answer = _sign(institution, site, json.loads(attack.forged.body))
        if answer.get("ok") is not False or answer["error"]["code"] not in forgery.expect:
            raise ServiceError(f"forgery {name}: {json.dumps(answer)[:400]}")
        accepted = _sign(institution, site, control)
        if accepted.get("ok") is not True:
            raise ServiceError(f"control of {name}: {json.dumps(accepted)[:400]}")
        tell.step(f"refused ({answer['error']['code']}): {name}; the same case unforged is signed")
    for lie in ready.lies:
        answer = _sign(institution, site, lie)
        if answer.get("ok") is not False or answer["error"]["code"] != Refusal.DENIED:
            raise ServiceError(f"a payment that cannot succeed: {json.dumps(answer)[:400]}")
    tell.step("refused (denied): a payment that cannot succeed, whatever the web tier makes of the attester's word")
    return len(PLAYED)
