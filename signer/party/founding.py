"""Making a key among parties, before there is a policy: each at its own console, by a plan that two people compared.

No process ever holds the key. Every party says the address that came out; people compare them and put it into the
first policy, at whose pinning each share is sealed again under the deployment's name.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.canonical import parse
from core.documents.base import GENESIS_DEPLOYMENT
from core.documents.party import SessionTerms, SignedHello
from core.documents.roster import SignerRole
from core.errors import CoreError, Refusal, RefusedError
from core.evm import address_of
from core.founding import FoundingPlan, check_plan
from core.names import HASH32
from core.pins import Pins
from core.schema import Items, Struct, read_struct, write_struct
from mpc import DkgSession
from signer.errors import ConfigError, TokenKeyError
from signer.party.envelopes import ENVELOPE, members, written
from signer.party.session import AbortedError, Session
from signer.party.shares import ShareName
from signer.store import no_failpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.canonical import Json
    from core.documents.policy import Policy
    from signer.party.party_key import PartyKey
    from signer.party.shares import ShareStore

PLAN_BYTES = 64 * 1024
_HELLOS = Items(Struct(lambda: SignedHello), least=1, most=16)
_ENVELOPES = Items(ENVELOPE, most=64)
TYPED_DIGITS = 8


def read_plan(raw: bytes, confirm: Callable[[str], str]) -> FoundingPlan:
    """Read a plan and have its digest compared.

    Args:
        raw: The plan as JSON.
        confirm: Shows the digest and returns what people compared: it whole, or its first eight digits.

    Raises:
        ConfigError: If it is malformed, or another digest was compared.
        PolicyError: If nobody should follow it.
    """
    try:
        plan = read_struct(FoundingPlan, parse(raw, max_bytes=PLAN_BYTES), "plan")
    except CoreError as error:
        raise ConfigError(str(error)) from error
    check_plan(plan)
    if confirm(plan.digest).replace(" ", "").lower() not in (plan.digest, plan.digest[:TYPED_DIGITS]):
        raise ConfigError("that is not this plan's digest: nothing was made")
    return plan


class FoundingService:
    """Serves one key generation, and nothing else."""

    def __init__(self, plan: FoundingPlan, party: str, key: PartyKey, shares: ShareStore) -> None:
        """Take a plan that was compared at this console.

        Raises:
            ConfigError: If it does not name this party.
            TokenKeyError: If it names this party with another key than the token's.
        """
        own = next((one for one in plan.parties if one.id == party), None)
        if own is None:
            raise ConfigError(f"the plan names no party {party}")
        if own.public_key != key.public:
            raise TokenKeyError("the plan names another key for this party than the token holds")
        self._plan, self._key, self._shares, self._party = plan, key, shares, party
        # No policy yet: the session is named by the plan, which every console has compared.
        self._pins = Pins(deployment=GENESIS_DEPLOYMENT, signer=party, role=SignerRole.PARTY, policies={})
        self._session: Session | None = None
        self._protocol: DkgSession | None = None
        self._spent: set[bytes] = set()
        self.made: Json | None = None
        self.failpoint: Callable[[str], None] = no_failpoint

    def handle(self, request: Json, *, now: int) -> Json:
        """Carry out one request: `greet`, `begin`, `turn` or `status`.

        Raises:
            CoreError: If it is malformed or does not convince.
            SignerError: If token or disk do not let the party do its part, or the session ended.
        """
        op = request["op"]
        if op == "status":
            return {"plan": self._plan.digest, "party": self._party, "made": self.made}
        if op not in ("greet", "begin", "turn"):
            raise RefusedError(Refusal.UNSUPPORTED, "this party makes its key: it signs nothing yet")
        if self.made is not None:
            raise RefusedError(Refusal.SESSION, "the key is made")
        try:
            return {"greet": self._greet, "begin": self._begin, "turn": self._turn}[str(op)](request, now)
        except AbortedError as error:
            self._session = self._protocol = None
            blame = f"; caught: {', '.join(error.culprits)}" if error.culprits else ""
            raise RefusedError(Refusal.SESSION, f"the session ended: {error.reason[:200]}{blame}") from error

    def _greet(self, request: Json, now: int) -> Json:
        terms = read_struct(SessionTerms, request["terms"], "terms")
        same = dataclasses.replace(terms, nonce=self._plan.nonce) == self._plan.terms
        if not same:
            raise RefusedError(Refusal.SESSION, "the session is not about the plan that was compared here")
        indices = {party.id: place for place, party in enumerate(self._plan.parties, start=1)}
        session = Session(terms, self._pins, self._key, indices, now=now)
        if session.name in self._spent:
            raise RefusedError(Refusal.SESSION, "this session's name was used before")
        self._spent.add(session.name)
        self._session = session
        return write_struct(session.hello, "hello")

    def _live(self, value: object, now: int) -> Session:
        session = self._session
        if session is None or session.name != HASH32.read(value, "session") or session.is_late(now):
            raise RefusedError(Refusal.SESSION, "no such session goes on here")
        return session

    def _begin(self, request: Json, now: int) -> Json:
        beginning = members(request["beginning"], {"session", "hellos"}, "beginning")
        session = self._live(beginning["session"], now)
        hellos = _HELLOS.read(beginning["hellos"], "hellos")
        keys = {party.id: party.public_key for party in self._plan.parties}

        def protocol() -> DkgSession:
            names = [party.id for party in self._plan.parties]
            self._protocol = DkgSession(
                index=names.index(self._party) + 1,
                threshold=self._plan.threshold,
                parties=len(names),
                session=session.name,
            )
            return self._protocol

        return written(session.begin(hellos, keys, protocol, now=now))

    def _turn(self, request: Json, now: int) -> Json:
        turn = members(request["turn"], {"session", "envelopes"}, "turn")
        session = self._live(turn["session"], now)
        answer = session.advance(_ENVELOPES.read(turn["envelopes"], "envelopes"))
        if not session.done or self._protocol is None:
            return written(answer)
        share = self._protocol.result()
        try:
            public_key = bytes(share.public_key)
            address = address_of(public_key)
            name = ShareName(
                deployment=GENESIS_DEPLOYMENT,
                wallet=f"{self._plan.chain}:{address}",
                party=self._party,
                epoch=share.epoch,
            )
            self._shares.keep(name, share)
        finally:
            share.wipe()
        self.made = {"public_key": "0x" + public_key.hex(), "address": address, "plan": self._plan.digest}
        return {"envelopes": [], "made": self.made}

    def settle(self) -> None:
        """Do nothing: what is kept is on disk already."""

    def close(self) -> None:
        """Forget a session that did not end."""
        self._session = self._protocol = None


def name_shares(shares: ShareStore, policy: Policy, party: str) -> int:
    """Seal the shares that were made before the first policy under its name; those that are there already are kept.

    Returns:
        How many wallets of the policy this party holds a share of.

    Raises:
        TokenKeyError: If a share is missing or another wallet's.
        ShareFileError: If one cannot be opened.
    """
    held = 0
    for wallet in policy.wallets:
        if party not in wallet.signers:
            continue
        held += 1
        if shares.epochs(policy.deployment, wallet.id, party):
            continue
        for epoch in shares.epochs(GENESIS_DEPLOYMENT, wallet.id, party):
            before = ShareName(deployment=GENESIS_DEPLOYMENT, wallet=wallet.id, party=party, epoch=epoch)
            share = shares.open(before)
            try:
                shares.rename(before, dataclasses.replace(before, deployment=policy.deployment), share)
            finally:
                share.wipe()
    return held
