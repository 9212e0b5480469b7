"""Forgeries against the parties of the threshold wallet, each over its own socket, past everything of the web tier.

Whoever carries messages among parties owns all their sockets here. He hands each of them every forgery that the
signer of the HSM was handed, asks each to sign alone, and brings certificates that nobody gave. The control is a case
that people consented to: the same parties vouch for it and sign it. It is never sent.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.documents.party import SessionKind, SessionTerms
from core.errors import Refusal
from core.schema import write_struct
from demo.forgeries.catalogue import CATALOGUE
from demo.layout import PARTIES
from demo.parties import LABEL, THRESHOLD
from demo.refusals import PLAYED, drill_case, recorded
from demo.services.processes import ServiceError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from core.documents.roster import Wallet
    from demo.forgeries.case import Case
    from demo.institution import Institution
    from demo.site import Site
    from demo.telling import Teller

Word = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class PartyRefusals:
    """What an attacker starts from, and a case that the log holds."""

    case: Case
    honest: dict[str, Any]


def party_refusals_prepare(institution: Institution, site: Site) -> PartyRefusals:
    """Have people consent to a case of the threshold wallet, and the log hold what it rests on."""
    first = institution.layout.party_socket(PARTIES[0])
    case = drill_case(institution, site, label=LABEL, place=first)
    (honest,) = recorded(site, [case.bundle().to_bytes()])
    return PartyRefusals(case, honest)


def forged_certificates(words: Mapping[str, Word]) -> dict[str, list[Word]]:
    """Make certificates that nobody gave out of the words that each party gave."""
    own = Ed25519PrivateKey.generate()
    one, two, three, four = (words[name] for name in PARTIES[:4])
    signed_by_nobody = {**four, "signature": "0x" + own.sign(secrets.token_bytes(32)).hex()}
    renamed = {**three, "document": {**three["document"], "party": PARTIES[4]}}
    return {
        "as many words as sign, not as many as certify": [one, two, three],
        "one party's word four times": [one, one, one, one],
        "a word under the attacker's own signature": [one, two, three, signed_by_nobody],
        "a party's word under another's name": [one, two, three, renamed],
    }


class PartyAttack:
    """Tries it at each party and counts what was refused."""

    def __init__(
        self, institution: Institution, site: Site, ready: PartyRefusals, tell: Teller, *, refused: int = 0
    ) -> None:
        """Take whose parties are attacked, what was prepared, and how much they have refused by then."""
        self._layout, self._site, self._tell = institution.layout, site, tell
        self._case, self._honest = ready.case, ready.honest
        self._wallet: Wallet = next(one for one in institution.policy.wallets if one.label == LABEL)
        self.refused = refused

    def play(self) -> int:
        """Try everything; return how many tries were refused with a typed answer.

        Raises:
            ServiceError: If a party takes part in anything, refuses for another reason, or refuses the control.
        """
        for name in PLAYED:
            attack = CATALOGUE[name].build(self._case)
            request = {"op": "reserve", "bundle": json.loads(attack.forged.body)}
            self._refused(name, request, CATALOGUE[name].expect)
        asked_only = {**self._honest, "consents": self._honest["consents"][:1]}
        self._refused("a case that nobody approved", {"op": "reserve", "bundle": asked_only}, {Refusal.QUORUM})
        self._tell.step(
            f"each of five parties, asked directly, refuses {len(PLAYED) + 1} forgeries as the HSM's signer"
        )
        self._refused("a party that signs alone", {"op": "sign", "bundle": self._honest}, {Refusal.UNSUPPORTED})
        words = {name: self._vouched(name) for name in PARTIES}
        for what, certificate in forged_certificates(words).items():
            joining = {
                "bundle": self._honest,
                "certificate": {"reservations": certificate},
                "terms": self._terms(words),
            }
            self._refused(what, {"op": "join", "joining": joining}, {Refusal.CERTIFICATE})
            self._tell.step(f"refused (certificate) by all five: {what}")
        self._signed()
        return self.refused

    def _ask(self, name: str, request: Mapping[str, object]) -> dict[str, Any]:
        return self._site.carry(self._layout.party_socket(name), {"v": 1, **request})

    def _refused(self, what: str, request: Mapping[str, object], expect: Collection[Refusal]) -> None:
        for name in PARTIES:
            answer = self._ask(name, request)
            if answer.get("ok") is not False or answer["error"]["code"] not in expect:
                raise ServiceError(f"{what} at {name}: {json.dumps(answer)[:400]}")
            self.refused += 1

    def _vouched(self, name: str) -> Word:
        """Have a party give its word on the honest case."""
        answer = self._ask(name, {"op": "reserve", "bundle": self._honest})
        if answer.get("ok") is not True:
            raise ServiceError(f"{name} does not vouch for the control: {json.dumps(answer)[:400]}")
        word: Word = answer["result"]
        return word

    def _terms(self, words: Mapping[str, Word]) -> object:
        """Propose a session about the honest case to the first three parties."""
        binding = words[PARTIES[0]]["document"]["binding"]
        terms = SessionTerms(
            kind=SessionKind.SIGN,
            wallet=self._wallet.id,
            public_key=self._wallet.public_key,
            epoch=0,
            threshold=THRESHOLD,
            quorum=PARTIES[:THRESHOLD],
            message_hash=bytes.fromhex(binding["signing_hash"].removeprefix("0x")),
            subject=binding["intent"],
            nonce=secrets.token_bytes(32),
        )
        return write_struct(terms, "terms")

    def _signed(self) -> None:
        given = json.dumps({"wallet": write_struct(self._wallet, "wallet"), "bundle": self._honest})
        places = [f"{name}={self._layout.party_socket(name)}" for name in PARTIES]
        made = json.loads(self._site.relay(*places, given=given))
        vouched = [word["document"]["party"] for word in made["certificate"]["reservations"]]
        self._tell.step(f"the same case with the words of {', '.join(vouched)} is signed, by three of them together")
