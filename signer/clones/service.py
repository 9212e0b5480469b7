"""The second token takes the place of a signer whose token is lost: at its console, by ceremonies and a policy.

People sign a successor policy that says where the signer is from now on, which is where the clone's ceremony said,
and that names no lost key of this signer; and a ceremony that starts its journal anew. Witnesses lease to one journal
of a signer, and every two sets that lease share a witness: whoever still has the first token gets no lease any more.
One that it got before lasts ten minutes at most, so nothing is signed here that was asked for earlier.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from core.documents.base import SKEW
from core.documents.roster import SignerRole
from core.journal import Journal
from core.lease import LONGEST
from signer.backends import HsmBackend, check_keys, own_wallets
from signer.beginning import begin, check_beginning
from signer.clones.kept import Clones, keep, read_kept
from signer.config import CONFIG_FILE, PIN_FILE, SOFTHSM_FILE, check_private, load_config
from signer.errors import ConfigError
from signer.files import write_new
from signer.host import check_host
from signer.provision import write_settings
from signer.recovery.orders import read_order
from signer.recovery.token import open_site, pin_of, read_site

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from core.documents.policy import Policy
    from core.documents.roster import SignerEntry
    from signer.beginning import Beginning
    from signer.clones.kept import Kept
    from signer.config import SignerConfig

_PLACE = ("host", "site", "administrator", "vendor")
OLD_LEASES = LONGEST + 2 * SKEW
"""So long a lease to the journal from before may last, with both clocks as wrong as they may be."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entering:
    """What people bring to the console, and where the signer will be.

    Attributes:
        into: The signer's new state folder.
        genesis: The signed genesis, as JSON.
        start: The ceremony that starts the journal, with the policies after the genesis.
        socket_path: As `signer.provision.init_state`.
        allowed_uids: As there.
        group: As there.
    """

    into: Path
    genesis: bytes
    start: bytes
    socket_path: str | None
    allowed_uids: Sequence[int]
    group: str | None


def enter_service(
    state: Path, halves: Sequence[str], given: Entering, confirm: Callable[[str], str], *, now: int
) -> str:
    """Make a signer of a second token. Cut short anywhere, the same command goes on where it was.

    Args:
        state: The second token's folder; the caller holds its lock.
        halves: Both operators' halves of the PIN. From here on the signer's folder has it whole.
        given: What people bring.
        confirm: Shows the genesis digest and returns what people compared.
        now: Unix seconds.

    Returns:
        What happened, in a sentence.

    Raises:
        CoreError: If a policy or the ceremony does not hold.
        SignerError: If settings, host, token or disk do not let it.
    """
    (signer, *_) = read_order(given.start).signed.document.signers
    into = given.into
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_private(into, most=0o700)
    if into.resolve() == state.resolve():
        raise ConfigError("the signer takes a folder of its own, beside the second token's")
    checked = check_beginning(into, (given.genesis, given.start), (signer, SignerRole.HSM), confirm, now)
    policy = checked.pins.policies[checked.start.policy]
    late = max(checked.start.not_before, now + OLD_LEASES)
    beginning = dataclasses.replace(checked, start=dataclasses.replace(checked.start, not_before=late))
    hsm = open_site(state, halves)
    try:
        for kept in _clones(state, policy, signer):
            keep(into, kept)
        _check_keys(policy, beginning, HsmBackend(hsm, Clones(into)))
        hsm.check_closed()
        config = _settings(state, halves, given, signer)
        check_host(policy.profile, config, maker=hsm.maker)
        store = begin(into, beginning, hsm)
        known = store.journal.start
        store.close()
    finally:
        hsm.close()
    waits = late if known is None else known.not_before
    return f"{signer} can serve from {into}; mandates from before {waits} are refused"


def _clones(state: Path, policy: Policy, signer: str) -> list[Kept]:
    """Return what this token took of each wallet that the policy gives to the signer, if it is where they said."""
    entry = next((one for one in policy.signers if one.id == signer and one.role is SignerRole.HSM), None)
    if entry is None:
        raise ConfigError(f"the policy names no signer {signer} with a token of its own")
    wallets = own_wallets(policy, signer)
    if not wallets:
        raise ConfigError(f"the policy gives no wallet to {signer}: there is nothing to sign for")
    found = []
    for wallet in wallets:
        kept = None if wallet.clone is None else read_kept(state, wallet.clone)
        if kept is None:
            raise ConfigError(
                f"wallet {wallet.label}: its key is not in this token; a policy must do without it first"
            )
        _check_place(kept, entry)
        found.append(kept)
    return found


def _check_place(kept: Kept, entry: SignerEntry) -> None:
    (key,) = kept.ceremony.recovery
    elsewhere = [name for name in _PLACE if getattr(key, name) != getattr(entry, name)]
    if elsewhere:
        raise ConfigError(
            f"the policy has {entry.id} at another {' and '.join(elsewhere)} than its clone: people say first, in a"
            " successor policy, that it moves"
        )


def _check_keys(policy: Policy, beginning: Beginning, backend: HsmBackend) -> None:
    """Hold the keys against a journal that would begin so, before anything of it is on disk."""
    journal = Journal()
    journal.apply(journal.encode(beginning.start))
    backend.follow(journal)
    check_keys(policy, beginning.pins.signer, backend)


def _settings(state: Path, halves: Sequence[str], given: Entering, signer: str) -> SignerConfig:
    site = read_site(state)
    if not (given.into / CONFIG_FILE).exists():
        conf = str(state / (site.softhsm_conf or SOFTHSM_FILE))
        write_settings(
            given.into,
            signer,
            role=SignerRole.HSM,
            token=(site.module, site.label, conf),
            socket_path=given.socket_path,
            allowed_uids=given.allowed_uids,
            group=given.group,
        )
    config = load_config(given.into)
    if (config.signer, config.role, config.token.label) != (signer, SignerRole.HSM, site.label):
        raise ConfigError(f"{given.into}: belongs to another signer or token")
    if not config.token.pin_file.exists():
        write_new(given.into / PIN_FILE, pin_of(state, halves).encode(), mode=0o400)
    return config
