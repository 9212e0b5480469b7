"""The two places where a case is tried: the web tier's services, and a signer that hears from whoever owns them."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any

from core.documents.consent import Decision, SignedConsent
from core.documents.mandate import Mandate
from core.errors import Refusal, RefusedError
from core.schema import write_struct
from oms.selectors import seats_of
from oms.services import request_ask, request_consent
from policies.selectors import decision_find, decision_reasons

if TYPE_CHECKING:
    from collections.abc import Callable

    from approvals.models import User
    from core.documents.bundle import Bundle
    from core.documents.mandate import Intent
    from core.documents.policy import SignedPolicy
    from oms.models import TransactionRequest
    from signer.service import Service
    from tests.factories.world import World
    from tests.signer.rig import Served

OFFICERS = ("rita", "ravi")
LARGE = ("rita", "ravi", "clara")
"""Whom large payments ask for."""
EVERYBODY = ("rita", "ravi", "clara", "adam", "anna", "olga", "tom")
"""Whoever could be made to sign, but the asker."""


@dataclasses.dataclass
class Web:
    """People at work at the web tier."""

    world: World
    users: dict[str, User]

    @property
    def now(self) -> dt.datetime:
        """The time at which whatever comes next is done."""
        return dt.datetime.fromtimestamp(self.world.now, tz=dt.UTC)

    def posted(self, mandate: Mandate, actor: str, decision: Decision) -> bytes:
        """Sign at the consent origin, and return what its page posts."""
        return json.dumps(write_struct(self.world.consent(mandate.digest, actor, decision), "consent")).encode()

    def ask(self, intent: Intent, *, by: str = "tessa") -> TransactionRequest:
        """Have somebody ask for a transaction."""
        mandate = self.world.mandate(intent, by)
        return request_ask(
            user=self.users[by],
            mandate_raw=mandate.to_bytes(),
            consent_raw=self.posted(mandate, by, Decision.ASK),
            now=self.now,
        )

    def approve(self, request: TransactionRequest, *actors: str) -> TransactionRequest:
        """Have people approve, one after the other."""
        mandate = Mandate.from_bytes(request.mandate_text.encode())
        for actor in actors:
            raw = self.posted(mandate, actor, Decision.APPROVE)
            request = request_consent(
                user=self.users[actor], reference=request.reference, consent_raw=raw, now=self.now
            )
        return request

    def paid(self, intent: Intent, *actors: str, by: str = "tessa") -> TransactionRequest:
        """Have a payment asked and approved by just these people."""
        request = self.approve(self.ask(intent, by=by), *(actors or OFFICERS))
        assert request.state == "approved", (request.state, request.sub_status)
        return request

    def denied(self, intent: Intent, *, by: str = "tessa") -> str:
        """Ask for what policy denies; returns its reasons in words, as people see them."""
        request = self.ask(intent, by=by)
        assert request.state == "denied", request.sub_status
        decision = decision_find(intent_digest=intent.digest)
        assert decision is not None
        reasons = "; ".join(decision_reasons(decision=decision))
        assert request.sub_status == reasons[: len(request.sub_status)]
        return reasons

    def words(self, request: TransactionRequest) -> str:
        """Say whom a request asks for."""
        return seats_of(request=request, now=self.world.now).words


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a signer says: a refusal's code and words, or nothing against it and its result."""

    code: Refusal | None
    words: str
    result: dict[str, Any]


class Attacker:
    """Owns the web tier: builds whatever bundle it likes, and is limited only by who can be made to sign."""

    def __init__(self, world: World, deliver: Callable[[dict[str, object]], Answer], path: str = "") -> None:
        """Stand before a signer.

        Args:
            world: Its institution.
            deliver: Hands it a request.
            path: Its socket, if it has one.
        """
        self.world = world
        self.path = path
        self.deliver = deliver
        self.lanes: dict[str, int] = {}

    def approvals(self, mandate: Mandate, *actors: str) -> tuple[SignedConsent, ...]:
        """Have people sign for a mandate."""
        return tuple(self.world.consent(mandate.digest, actor) for actor in actors)

    def send(self, mandate: Mandate, *consents: SignedConsent) -> Answer:
        """Hand a mandate with its asker's word and these consents to the signer, at the lane's next nonce."""
        order: Any = mandate.order
        intent = order.intent
        asked = self.world.consent(mandate.digest, mandate.asker.id, Decision.ASK, policy=mandate.policy)
        bundle = self.world.bundle(
            mandate, nonce=self.next_nonce(intent.wallet), policy=mandate.policy, consents=(asked, *consents)
        )
        return self.hand_in(bundle)

    def next_nonce(self, wallet: str) -> int:
        """Return the next nonce of a wallet's lane."""
        return self.lanes.get(wallet, 0)

    def hand_in(self, bundle: Bundle) -> Answer:
        """Hand any bundle to the signer."""
        answer = self.deliver({"v": 1, "op": "sign", "bundle": bundle.to_json()})
        if answer.code is None:
            self.lanes[bundle.intent.wallet] = bundle.attempt.nonce + 1
        return answer

    def tried(self, intent: Intent, *actors: str, by: str = "tessa") -> Answer:
        """Have a transaction asked by one and approved by others, and handed in."""
        mandate = self.world.mandate(intent, by)
        return self.send(mandate, *self.approvals(mandate, *actors))

    def signed(self, intent: Intent, *actors: str, by: str = "tessa") -> None:
        """Have the signer sign, or fail."""
        answer = self.tried(intent, *(actors or OFFICERS), by=by)
        assert answer.code is None, answer

    def refused(self, intent: Intent, *actors: str, by: str = "tessa") -> tuple[Refusal | None, str]:
        """Have the signer refuse; returns its code and words."""
        answer = self.tried(intent, *actors, by=by)
        assert answer.code is not None, "SIGNED"
        return answer.code, answer.words

    def succeed(self, signed: SignedPolicy) -> Answer:
        """Hand a successor policy to the signer."""
        return self.deliver({"v": 1, "op": "policy", "signed_policy": write_struct(signed, "signed_policy")})


def over_its_socket(world: World, served: Served) -> Attacker:
    """Stand before a signer in a process of its own."""

    def deliver(request: dict[str, object]) -> Answer:
        return _answer(served.ask(request, timeout=20))

    world.now = int(time.time())
    return Attacker(world, deliver, served.path)


def in_time(world: World, service: Service) -> Attacker:
    """Stand before a signer's service in this process, whose clock is the world's: nothing else moves one."""

    def deliver(request: dict[str, object]) -> Answer:
        try:
            return Answer(None, "", service.handle(request, now=world.now))
        except RefusedError as error:
            return Answer(error.code, error.message, {})

    return Attacker(world, deliver)


def _answer(raw: dict[str, Any]) -> Answer:
    if raw["ok"]:
        return Answer(None, "", raw["result"])
    error = raw["error"]
    return Answer(Refusal(error["code"]), error["message"], {})
