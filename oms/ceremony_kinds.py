"""What each kind of ceremony is, in words, and which fields its form has. One table, for forms and pages alike."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from core.certificate import certificate_size
from core.documents.control import CeremonyKind
from core.documents.roster import WalletKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from core.documents.policy import Policy
    from core.documents.roster import Wallet

HOURS = 72
"""How long a drafted ceremony lasts unless somebody types another number."""
HOURS_MOST = 30 * 24
DEGRADED_HOURS = 24
DEGRADED_HOURS_MOST = 7 * 24


class Choice(StrEnum):
    """How the signers of a ceremony are chosen."""

    ALL = "all"
    SOME = "some"
    ONE = "one"
    PLANNED = "planned"


class Epoch(StrEnum):
    """Which epoch a ceremony names."""

    NONE = "none"
    NEXT = "next"
    NOW = "now"


@dataclasses.dataclass(frozen=True, kw_only=True)
class KindForm:
    """A kind of ceremony, as people draft it.

    Attributes:
        title: In two or three words.
        does: What it does and cannot undo.
        choice: How its signers are chosen.
        signers_label: What the choice asks.
        epoch: Which epoch it names.
        keyed: Whether it names a key for each of its signers: recovery keys, or a new token's transport key.
        shared: Whether it is for threshold wallets only (True), for HSM wallets only (False), or for both (None).
        console: Whether people do its steps at the signers' consoles.
        hours: How long it lasts by default.
        hours_most: How long it may last.
        built: Whether anybody does it: what no signer does is not offered (ADR 25).
    """

    title: str
    does: str
    choice: Choice = Choice.SOME
    signers_label: str = "Signers that do it"
    epoch: Epoch = Epoch.NONE
    keyed: bool = False
    shared: bool | None = None
    console: bool = True
    hours: int = HOURS
    hours_most: int = HOURS_MOST
    built: bool = True


KINDS: dict[CeremonyKind, KindForm] = {
    CeremonyKind.REFRESH: KindForm(
        title="Refresh shares",
        does=(
            "All parties make new shares of the same key, test them with a signature and destroy the old ones. The"
            " address stays. Whoever copied an old share has nothing afterwards; backups of old shares are worth"
            " nothing either, so back up again."
        ),
        choice=Choice.ALL,
        epoch=Epoch.NEXT,
        shared=True,
        console=False,
    ),
    CeremonyKind.BACKUP: KindForm(
        title="Back up",
        does=(
            "Each party wraps its share to a recovery key in other hands. Nothing changes for signing."
            " Whoever holds a recovery key and the file has that share."
        ),
        signers_label="Parties whose shares are backed up",
        epoch=Epoch.NOW,
        keyed=True,
        shared=True,
    ),
    CeremonyKind.DRILL: KindForm(
        title="Backup drill",
        does="It is proved that the backups open and fit, without restoring anything. Nothing changes.",
        signers_label="Parties whose backups are tried",
        epoch=Epoch.NOW,
        shared=True,
    ),
    CeremonyKind.DEGRADED: KindForm(
        title="Degraded mode",
        does=(
            "The named parties sign without the others for a while, though they are too few for a certificate. Every"
            " limit is divided, and only mandates that name their nonce are signed."
        ),
        signers_label="Parties that go on",
        shared=True,
        console=False,
        hours=DEGRADED_HOURS,
        hours_most=DEGRADED_HOURS_MOST,
    ),
    CeremonyKind.BAN: KindForm(
        title="Ban parties",
        does=(
            "The named parties never take part in this wallet again: no session with them, no certificate by them. It"
            " cannot be undone; a new party needs a new key. Nothing is destroyed at the banned."
        ),
        signers_label="Parties that are banned, for ever",
        shared=True,
        console=False,
    ),
    CeremonyKind.RESTORE: KindForm(
        title="Restore one signer",
        does="One signer that lost its share gets it back from its backup, into a new token. The others do nothing.",
        choice=Choice.ONE,
        signers_label="The party that gets its share back",
        epoch=Epoch.NOW,
        keyed=True,
        shared=True,
    ),
    CeremonyKind.DESTROY: KindForm(
        title="Destroy shares or a key",
        does=(
            "The named signers destroy what they hold of this wallet's key, up to the named epoch, for ever. What is"
            " still at the address can be lost with it: empty the wallet first. The newest share, or an HSM's key,"
            " goes only when no policy names the wallet any more."
        ),
        signers_label="Signers that destroy what they hold",
        epoch=Epoch.NOW,
    ),
    CeremonyKind.CLONE: KindForm(
        title="Make an HSM key with a clone",
        does="At the consoles, a new HSM key is made together with its clone in a second token.",
        choice=Choice.ONE,
        signers_label="The wallet's signer",
        keyed=True,
        shared=False,
        built=False,
    ),
    CeremonyKind.KEY_GENERATION: KindForm(
        title="Make a new key",
        does=(
            "The parties of a plan, in failure domains of their own, make a key together that exists nowhere whole."
            " Each says its address: compare them. No wallet has it until a policy names it."
        ),
        choice=Choice.PLANNED,
        console=False,
    ),
}
"""Every kind that is drafted here. A journal's start is drafted at the console: its signer does not run meanwhile."""


def kind_read(text: str) -> CeremonyKind | None:
    """Return a kind that is drafted here by its name, or None."""
    return next((kind for kind, form in KINDS.items() if kind.value == text and form.built), None)


def wallets_for(*, kind: CeremonyKind, policies: Iterable[Policy]) -> list[Wallet]:
    """Return the wallets that a kind of ceremony can be about.

    Args:
        kind: Which.
        policies: Those that were ever in force, the newest last. Earlier ones count for a destruction only: what a
            policy names is not destroyed.
    """
    shared = KINDS[kind].shared
    if KINDS[kind].choice is Choice.PLANNED:
        return []
    chain = list(policies)
    counted = chain if kind is CeremonyKind.DESTROY else chain[-1:]
    found = {wallet.id: wallet for policy in counted for wallet in policy.wallets}
    return [one for one in found.values() if shared is None or (one.kind is WalletKind.MPC) is shared]


def signers_for(*, wallet: Wallet | None, policy: Policy) -> list[tuple[str, str]]:
    """Return the signers that a ceremony can name, in the policy's order, each with where it stands."""
    order = () if wallet is None else wallet.signers
    entries = {entry.id: entry for entry in policy.signers}
    # A signer that the policy names no more can be asked for nothing.
    known = [entries[name] for name in order if name in entries]
    return [(entry.id, f"{entry.id} ({entry.site}, {entry.administrator})") for entry in known]


def needed_words(*, wallet: Wallet) -> str:
    """Say how many parties of a threshold wallet sign, and how many certify."""
    size = len(wallet.signers)
    certify = certificate_size(size, wallet.threshold)
    return f"{wallet.threshold} of {size} sign; {certify} have to agree before"
