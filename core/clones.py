"""An HSM's key that was made together with its clone: what the two consoles hold against each other, and the drill.

A drill is one signature of the second token over a message that only this module makes. It is SHA-256 under a tag of
its own, while what a transaction signs is Keccak-256 over bytes that begin with 2 (EIP-1559), and it names a ceremony
of the quorum, so no two drills sign the same.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.canonical import canonical_of_codecs, tagged_digest
from core.documents.control import CeremonyKind
from core.documents.roster import WalletKind
from core.errors import EncodingError, Refusal, RefusedError, require
from core.evm import finish_signature
from core.names import ACCOUNT, DIGEST, PUBLIC_KEY, SLUG, TIME
from core.schema import Constant, HexData, of, write_struct
from core.verified import SEAL, CloneDrillToken

if TYPE_CHECKING:
    from core.documents.policy import Policy
    from core.documents.roster import Wallet
    from core.records import CeremonyRecord

DRILL = "countersign.clone-drill.v1"
_SIGNATURE_BYTES = 64


@dataclasses.dataclass(frozen=True, kw_only=True)
class CloneName:
    """Which key was made with its clone: by which signer, in which ceremony, for which transport key (SHA-256)."""

    deployment: str = of(DIGEST)
    ceremony: str = of(DIGEST)
    signer: str = of(SLUG)
    transport: str = of(DIGEST)
    public_key: bytes = of(PUBLIC_KEY)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DrillStatement:
    """What the second token signs: that at this time, in this ceremony, it held the wallet's key."""

    kind: str = of(Constant(DRILL))
    deployment: str = of(DIGEST)
    ceremony: str = of(DIGEST)
    clone: str = of(DIGEST)
    wallet: str = of(ACCOUNT)
    public_key: bytes = of(PUBLIC_KEY)
    time: int = of(TIME)

    @property
    def message(self) -> bytes:
        """The 32 bytes that are signed."""
        return bytes.fromhex(tagged_digest("clone-drill", canonical_of_codecs(write_struct(self, "drill"))))


@dataclasses.dataclass(frozen=True, kw_only=True)
class CloneDrill(DrillStatement):
    """A drill's statement with its signature, r ‖ s."""

    signature: bytes = of(HexData(most=_SIGNATURE_BYTES, exact=True))

    @property
    def statement(self) -> DrillStatement:
        """What the signature is about."""
        return DrillStatement(
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(DrillStatement)}
        )


def check_named(name: CloneName, record: CeremonyRecord, deployment: str) -> None:
    """Refuse a clone that a ceremony is not about.

    Args:
        name: What the clone says of itself.
        record: A clone's ceremony, begun.
        deployment: The pinned deployment.

    Raises:
        RefusedError: `wrong_deployment`, `ceremony` or `wrong_signer`.
    """
    require(record.what is CeremonyKind.CLONE, Refusal.CEREMONY, "this ceremony clones nothing")
    require(name.deployment == deployment, Refusal.WRONG_DEPLOYMENT, "this clone is of another deployment")
    require(name.ceremony == record.ceremony, Refusal.CEREMONY, "this clone was made in another ceremony")
    require((name.signer,) == record.signers, Refusal.WRONG_SIGNER, "this clone is another signer's")


def check_promise(name: CloneName, wallet: Wallet, signer: str, deployment: str) -> None:
    """Refuse a clone's name that is not of the key and the ceremony that a policy's wallet names.

    Raises:
        RefusedError: `ceremony`.
    """
    same = (name.ceremony, name.public_key, name.signer, name.deployment) == (
        wallet.clone,
        wallet.public_key,
        signer,
        deployment,
    )
    require(same, Refusal.CEREMONY, "the ceremony that the policy names for this clone made another key")


def allow_drill(
    record: CeremonyRecord, name: CloneName, policy: Policy, *, now: int
) -> tuple[DrillStatement, CloneDrillToken]:
    """Give leave to sign one drill of a clone.

    Args:
        record: A drill's ceremony, which the caller has checked and begun.
        name: The clone that the second token holds.
        policy: The policy that the ceremony names.
        now: Unix seconds.

    Returns:
        What is stated, and the one-shot token.

    Raises:
        RefusedError: `ceremony`, `unknown_wallet` or `unsupported`.
    """
    require(record.what is CeremonyKind.DRILL, Refusal.CEREMONY, "this ceremony is no drill")
    wallet = next((one for one in policy.wallets if one.id == record.wallet), None)
    if wallet is None:
        raise RefusedError(Refusal.UNKNOWN_WALLET, "the policy knows no such wallet")
    require(wallet.kind is WalletKind.HSM, Refusal.UNSUPPORTED, "shares are drilled where they are backed up")
    require(record.signers == wallet.signers, Refusal.WRONG_SIGNER, "the drill is about another signer")
    check_promise(name, wallet, wallet.signers[0], policy.deployment)
    statement = DrillStatement(
        kind=DRILL,
        deployment=policy.deployment,
        ceremony=record.ceremony,
        clone=name.ceremony,
        wallet=wallet.id,
        public_key=wallet.public_key,
        time=now,
    )
    return statement, CloneDrillToken(SEAL, message=statement.message, public_key=wallet.public_key)


def check_drill(drill: CloneDrill, wallet: Wallet, deployment: str) -> None:
    """Hold a drill's answer against the wallet that a policy names. Anybody can.

    Raises:
        RefusedError: `ceremony`: another wallet, deployment or clone, or no signature by this wallet's key.
    """
    named = (drill.deployment, drill.clone, drill.wallet, drill.public_key)
    same = named == (deployment, wallet.clone, wallet.id, wallet.public_key)
    require(same, Refusal.CEREMONY, "this drill is about another wallet, clone or deployment")
    try:
        finish_signature(drill.statement.message, drill.signature, wallet.public_key)
    except EncodingError as error:
        raise RefusedError(Refusal.CEREMONY, "the wallet's key did not sign this drill") from error
