"""An institution whose people can sign in, whose policy is in force, and whose wallet is on a real node."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from approvals.models import User
from chains.services import asset_create, chain_create, node_create
from core.documents.consent import Consent, Decision, SignedConsent, SubjectType
from core.documents.roster import WalletKind
from core.schema import write_struct
from custody.services import wallet_create
from oms.services import request_ask, request_consent, request_preview
from policies.services import genesis_store
from tests.factories.world import CHAIN, ETHER, LISTED, NATIVE, ORIGIN, PEOPLE, RP_ID, World, header
from tests.oms.readers import auditor, trader

if TYPE_CHECKING:
    from core.documents.mandate import Mandate
    from demo.services.anvil import Node
    from oms.models import TransactionRequest
    from oms.preview import Preview

ACTOR = "system:test"
__all__ = ["auditor", "trader"]


def as_json(signed: SignedConsent) -> bytes:
    """Return a consent as the consent page posts it."""
    return json.dumps(write_struct(signed, "consent")).encode()


@dataclasses.dataclass
class Desk:
    """People at work."""

    world: World
    node: Node
    users: dict[str, User]

    def preview(self, *, held: bool = False, **changes: str) -> Preview:
        """Preview 1 ether to the listed address, unless told otherwise."""
        typed = {
            "wallet": self.world.wallet,
            "asset": NATIVE,
            "destination": LISTED,
            "amount_text": "1",
            "purpose": "Collateral",
        }
        return request_preview(user=self.users["tessa"], now=timezone.now(), held=held, **(typed | changes))

    def signed(self, mandate: Mandate, actor: str, decision: Decision, reason: str = "") -> bytes:
        """Have a person sign at the consent origin."""
        statement = Consent(
            header=header("consent", self.world.deployment, now=int(time.time())),
            subject_type=SubjectType.MANDATE,
            subject=mandate.digest,
            policy=mandate.policy,
            decision=decision,
            actor=actor,
            reason=reason,
        )
        return as_json(self.world.keys[actor].consent(statement, origin=ORIGIN, rp_id=RP_ID))

    def ask(self, mandate: Mandate | None = None) -> TransactionRequest:
        """Have tessa ask for a previewed mandate."""
        mandate = mandate or self.preview().mandate
        return request_ask(
            user=self.users["tessa"],
            mandate_raw=mandate.to_bytes(),
            consent_raw=self.signed(mandate, "tessa", Decision.ASK),
            now=timezone.now(),
        )

    def decide(
        self, request: TransactionRequest, actor: str, decision: Decision = Decision.APPROVE, reason: str = ""
    ) -> TransactionRequest:
        """Have an officer decide."""
        from core.documents.mandate import Mandate  # noqa: PLC0415 - only for its type elsewhere

        mandate = Mandate.from_bytes(request.mandate_text.encode())
        return request_consent(
            user=self.users[actor],
            reference=request.reference,
            consent_raw=self.signed(mandate, actor, decision, reason),
            now=timezone.now(),
        )


@pytest.fixture
def desk(db: None, anvil_node: Node) -> Desk:  # noqa: ARG001 - asks for the database
    """Everybody at their place, and 1,000 ether in the wallet."""
    world = World(now=int(time.time()))
    anvil_node.call("anvil_setBalance", world.wallet.rpartition(":")[2], hex(1000 * ETHER))
    genesis_store(signed=world.signed_policy, digest=world.deployment, actor=ACTOR, now=world.now)
    users = {
        name: User.objects.create_user(name, display_name=name.title(), desk=desk, site=site)
        for name, (_, desk, site) in PEOPLE.items()
    }
    chain_create(actor=ACTOR, caip2=CHAIN, name="Dev chain", native_symbol="ETH", confirmation_depth=2)
    node_create(actor=ACTOR, chain=CHAIN, label="anvil", url=anvil_node.url)
    asset_create(actor=ACTOR, caip19=NATIVE, symbol="ETH", name="Ether", decimals=18)
    wallet_create(
        actor=ACTOR,
        caip10=world.wallet,
        label="Treasury Hot",
        kind=WalletKind.HSM,
        public_key=world.wallet_public_key,
        signers=(world.signer,),
    )
    return Desk(world=world, node=anvil_node, users=users)
