"""One attester: takes a question, asks its own nodes, signs what it saw. Keeps nothing but its health book."""

from __future__ import annotations

import logging
import secrets
import threading
from typing import TYPE_CHECKING

from attester.assess import intent_assess
from attester.errors import NotAttestedError
from chains.errors import ChainsError, NodeError
from chains.nodes.health import HealthBook
from chains.nodes.pool import Pool
from core.canonical import parse
from core.documents.base import VERSION, Header, check_deployment, check_lifetime
from core.documents.bundle import Attestation, SignedAttestation
from core.documents.mandate import Intent
from core.errors import CoreError, RefusedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from attester.config import ChainConfig, Config
    from chains.nodes.agreement import Disagreement
    from chains.simulation.slippage import Price

REQUEST_BYTES = 512 * 1024
"""An intent with 128 KiB of calldata, in hex, fits twice."""
BEHIND_MOST = 8
"""How far below the newest block an attestation may be asked for: attesters must be able to meet on one block."""
AT_ONCE = 8
PROTOCOL = 1
_BAD, _NOT_NOW, _UNKNOWN = 400, 503, 404
log = logging.getLogger("attester")


class _Log:
    """Writes down what a pool reports; this process keeps no rows."""

    def wrong_chain(self, *, label: str, reason: str) -> None:
        """Note a node that serves another chain."""
        log.error("node %s: %s", label, reason)

    def disagreed(self, *, disagreement: Disagreement) -> None:
        """Note a contradiction between nodes."""
        log.error("nodes contradict each other: %s", disagreement)


class Attester:
    """Attests intents of one deployment."""

    def __init__(self, config: Config, key: Ed25519PrivateKey, deployment: str) -> None:
        """Stand ready.

        Args:
            config: Its settings.
            key: Signs.
            deployment: The genesis digest.
        """
        self.config = config
        self._key = key
        self._deployment = deployment
        self._book = HealthBook()
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def attest(self, body: bytes, *, now: int) -> SignedAttestation:
        """Answer one question.

        Args:
            body: JSON: ``{"v": 1, "intent": …, "block": number or null}``.
            now: This attester's own clock, Unix seconds.

        Raises:
            NotAttestedError: If it cannot be attested; nothing is signed.
        """
        intent, number = self._read(body, now)
        chain = self.config.chains.get(intent.chain)
        if chain is None:
            raise NotAttestedError(_UNKNOWN, f"this attester does not look at {intent.chain}")
        if not self._room.acquire(blocking=False):
            raise NotAttestedError(_NOT_NOW, "too many questions at once: ask again")
        try:
            return self._signed(intent, chain, number, now)
        except (ChainsError, NodeError, ValueError) as error:
            raise NotAttestedError(_NOT_NOW, str(error)[:400]) from error
        finally:
            self._room.release()

    def _read(self, body: bytes, now: int) -> tuple[Intent, int | None]:
        try:
            question = parse(body, max_bytes=REQUEST_BYTES)
            if not isinstance(question, dict) or set(question) != {"v", "intent", "block"}:
                raise NotAttestedError(_BAD, "v, intent and block are expected")
            if type(question["v"]) is not int or question["v"] != PROTOCOL:
                raise NotAttestedError(_BAD, f"version {PROTOCOL} of the protocol is expected")
            intent = Intent.from_json(question["intent"])
            check_deployment(intent, self._deployment)
            check_lifetime(intent, now=now)
        except RefusedError as error:
            raise NotAttestedError(_BAD, error.message) from error
        except CoreError as error:
            raise NotAttestedError(_BAD, str(error)[:400]) from error
        number = question["block"]
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 0):
            raise NotAttestedError(_BAD, "block: a number or null is expected")
        return intent, number

    def _prices(self, chain: str, now: int) -> dict[str, Price]:
        """Return this chain's prices; one that has expired is a reason not to attest, never left out in silence."""
        own = {asset: one for asset, one in self.config.prices.items() if asset.startswith(f"{chain}/")}
        for asset, one in own.items():
            if now >= one.expires:
                raise NotAttestedError(_NOT_NOW, f"the price of {asset} has expired")
        return {asset: one.price for asset, one in own.items()}

    def _signed(self, intent: Intent, chain: ChainConfig, number: int | None, now: int) -> SignedAttestation:
        prices = self._prices(chain.chain, now)
        pool = Pool(chain=chain.chain, endpoints=chain.endpoints, rules=chain.rules, book=self._book, reporter=_Log())
        if number is not None:
            head = pool.read(lambda client: client.head()).number
            if not head - BEHIND_MOST <= number <= head:
                raise NotAttestedError(_NOT_NOW, f"block {number} is not among the newest: the head is {head}")
        found = intent_assess(
            pool,
            intent,
            number=number,
            prices=prices,
            reviewed={at: digest for (place, at), digest in self.config.code.items() if place == intent.chain},
            watched=[asset.rpartition(":")[2] for asset in prices if "/erc20:" in asset],
            now=now,
        )
        document = Attestation(
            header=Header(
                type=Attestation.TYPE,
                version=VERSION,
                deployment=self._deployment,
                id=secrets.token_hex(16),
                created=now,
                expires=now + self.config.lifetime,
            ),
            attester=self.config.name,
            intent=intent.digest,
            block_number=found.block_number,
            block_hash=found.block_hash,
            facts=found.facts,
        )
        return SignedAttestation(document=document, signature=self._key.sign(bytes.fromhex(document.digest)))
