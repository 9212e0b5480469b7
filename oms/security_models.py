"""The ways in which keys are held, what each protects against and what not, and which wallets are held so."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.roster import WalletKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from custody.models import Wallet


@dataclasses.dataclass(frozen=True, kw_only=True)
class SecurityModel:
    """One way. `kind` is None for a way that no wallet of this software is held in."""

    name: str
    kind: WalletKind | None
    protects: str
    exposes: str


_MODELS = (
    SecurityModel(
        name="One key, in software",
        kind=WalletKind.SOFTWARE,
        protects="Nothing that a file's permissions do not.",
        exposes="Whoever reads the memory or a backup of one machine has the key, and nobody notices.",
    ),
    SecurityModel(
        name="One key, in an HSM",
        kind=WalletKind.HSM,
        protects=(
            "Theft of the key: it never leaves its token, but to a clone that was made together with it, and its"
            " signer checks policy and consents before it."
        ),
        exposes="One signer's host can have it sign, and one token, without a clone, can lose it. No other eyes.",
    ),
    SecurityModel(
        name="MPC: shares of a key, t of n sign",
        kind=WalletKind.MPC,
        protects=(
            "Theft of fewer than t shares, loss of n - t, and fewer than t signers that lie: each checks the whole"
            " case itself."
        ),
        exposes=(
            "t parties together, and mistakes in the protocol or its library. On chain it looks like one key: who"
            " signed is in our log, and not in the chain."
        ),
    ),
    SecurityModel(
        name="Multisig contract: several keys, counted on chain",
        kind=None,
        protects="Loss or theft of fewer keys than it asks for; everybody sees on chain who signed.",
        exposes="Mistakes in the contract, who may change its owners, higher fees, and chains without contracts.",
    ),
    SecurityModel(
        name="Somebody else's custody",
        kind=None,
        protects="What the institution cannot do itself.",
        exposes="The custodian: its people, its solvency, and what it shows as a balance.",
    ),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelRow:
    """A way in which keys are held, and the wallets that are."""

    model: SecurityModel
    wallets: tuple[Wallet, ...]


def model_rows(*, wallets: Iterable[Wallet]) -> tuple[ModelRow, ...]:
    """Return every way, with the wallets that are held so."""
    listed = tuple(wallets)
    return tuple(
        ModelRow(
            model=model,
            wallets=tuple(one for one in listed if model.kind is not None and one.kind == model.kind.value),
        )
        for model in _MODELS
    )


def model_of(*, wallet: Wallet) -> SecurityModel:
    """Return the way in which a wallet's key is held."""
    return next(model for model in _MODELS if model.kind is not None and wallet.kind == model.kind.value)
